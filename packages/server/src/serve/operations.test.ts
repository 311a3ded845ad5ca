import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createMetrics } from '../metrics/registry.ts'
import { createOperationsServer } from './operations.ts'

test('metrics and probes, and nothing else', async (t) => {
  const metrics = createMetrics()
  metrics.counter('reloads_total', 'Reloads.')
  let isReady = true
  const server = createOperationsServer(metrics, async () => isReady)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const numbers = await fetch(`${origin}/metrics`)
  assert.equal(numbers.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  assert.match(await numbers.text(), /^reloads_total 0$/m)
  const head = await fetch(`${origin}/metrics`, { method: 'HEAD' })
  assert.equal(await head.text(), '')
  assert.ok(Number(head.headers.get('content-length')) > 50)

  assert.equal((await fetch(`${origin}/livez`)).status, 200)
  assert.equal((await fetch(`${origin}/readyz`)).status, 200)
  isReady = false
  const unready = await fetch(`${origin}/readyz`)
  assert.deepEqual([unready.status, unready.headers.get('retry-after')], [503, '5'])
  assert.equal((await fetch(`${origin}/livez`)).status, 200)

  for (const path of ['/', '/metrics/', '/metrics?x=1', '/token']) {
    assert.equal((await fetch(origin + path)).status, 404, path)
  }
  const posted = await fetch(`${origin}/metrics`, { method: 'POST', body: 'x' })
  assert.deepEqual([posted.status, posted.headers.get('allow')], [405, 'GET, HEAD'])
})
