import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { AccessEntry } from '../tracing/access-log.ts'
import { createMetrics } from '../metrics/registry.ts'
import { observeIssuer } from './issuer-metrics.ts'
import { send } from './http/reply.ts'

const nowMs = Date.UTC(2026, 10, 22)

test('an answer is counted by its endpoint and, for tokens, by what became of them', async (t) => {
  const { origin, metrics, entries } = await stand(t)
  for (const path of ['/token', '/livez?x=secret', '/made-up']) await (await fetch(origin + path)).text()
  while (entries.length < 3) await new Promise((resolve) => setTimeout(resolve, 5))
  const text = metrics.text()
  for (const line of [
    'countersign_issuer_tokens_total{grant="token_exchange",auth="basic",outcome="other"} 1',
    'countersign_issuer_requests_total{endpoint="livez",status="2xx"} 1',
    'countersign_issuer_requests_total{endpoint="other",status="2xx"} 1',
  ]) {
    assert.ok(text.includes(`${line}\n`), text)
  }
  assert.deepEqual(
    entries.map(({ path, client, outcome }) => [path, client, outcome]),
    [
      ['/token', 'orders', 'a word that nobody knows'],
      ['/livez', undefined, undefined],
      ['/made-up', undefined, undefined],
    ],
  )
})

test('who leaves before there is an answer got nothing', async (t) => {
  const { origin, metrics, entries } = await stand(t)
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n')
  while (!metrics.text().includes('countersign_issuer_active_requests 1\n')) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  socket.destroy()
  while (entries.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal(entries[0]!.status, 0)
  assert.match(metrics.text(), /^countersign_issuer_requests_total\{endpoint="other",status="none"\} 1$/m)
  assert.match(metrics.text(), /^countersign_issuer_active_requests 0$/m)
})

test('the ring: how old the signing key is, and when the next one signs', async (t) => {
  const { metrics } = await stand(t)
  const text = metrics.text()
  assert.match(text, /^countersign_issuer_signing_key_age_seconds 60$/m)
  assert.match(text, /^countersign_issuer_next_rotation_seconds 3600$/m)
  assert.match(text, /^countersign_issuer_keys\{state="announced"\} 0$/m)
  assert.match(text, /^countersign_issuer_keys\{state="active"\} 1$/m)
})

async function stand(t: TestContext) {
  const metrics = createMetrics()
  const entries: AccessEntry[] = []
  const observe = observeIssuer({
    issuer: 'https://issuer.example',
    metrics,
    clock: () => nowMs,
    addressOf: () => '192.0.2.1',
    accessLog: { wants: () => true, write: (entry) => entries.push(entry) },
    keyRing: {
      describe: () => [
        {
          keyId: 'k',
          algorithm: 'ES256',
          state: 'active',
          announcedAtMs: nowMs - 60_000,
          activeFromMs: nowMs - 60_000,
          untilMs: nowMs + 3_600_000,
          longestTokenSeconds: 300,
          retired: undefined,
        },
      ],
    },
  })
  const about = {
    outcome: 'a word that nobody knows',
    client: 'orders',
    kind: { grant: 'token_exchange', auth: 'basic' },
  } as const
  const server = createServer((request, response) => {
    observe(request, response)
    if (request.url === '/slow') return
    send(request, response, {
      status: 200,
      headers: [],
      body: 'x',
      ...(request.url === '/token' ? { about } : {}),
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { metrics, entries, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}
