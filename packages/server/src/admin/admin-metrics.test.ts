import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createMetrics } from '../metrics/registry.ts'
import type { AccessEntry } from '../tracing/access-log.ts'
import { observeAdmin } from './admin-metrics.ts'

test('requests are counted by method and status, and logged without what they ask for', async (t) => {
  const metrics = createMetrics()
  const entries: AccessEntry[] = []
  const accessLog = { wants: () => true, write: (entry: AccessEntry) => void entries.push(entry) }
  const observe = observeAdmin({ metrics, accessLog, addressOf: () => '192.0.2.7' })
  const server = createServer((request, response) => {
    observe(request, response)
    response.writeHead(request.method === 'GET' ? 200 : 403).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/admin/clients?after=c7`
  for (const method of ['GET', 'DELETE', 'PATCH']) await fetch(url, { method })
  while (entries.length < 3) await new Promise((resolve) => setTimeout(resolve, 5))
  for (const line of [
    'method="GET",status="2xx"',
    'method="DELETE",status="4xx"',
    'method="other",status="4xx"',
  ])
    assert.ok(metrics.text().includes(`countersign_admin_requests_total{${line}} 1\n`), line)
  const [first] = entries
  assert.deepEqual(
    [first?.part, first?.method, first?.path, first?.status, first?.address],
    ['admin', 'GET', '/admin/clients', 200, '192.0.2.7'],
  )
})
