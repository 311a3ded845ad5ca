import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { readTrust } from '../trust/read.ts'
import type { Trust } from '../trust/trust.ts'
import { createLog } from './log.ts'
import { startServers } from './start.ts'
import type { RunningServers } from './start.ts'

const upstream = createServer((request, response) => {
  if (request.url === '/broken') request.socket.destroy()
  else response.end(`upstream got ${request.url}`)
})
upstream.listen(0, '127.0.0.1')
await once(upstream, 'listening')
test.after(() => {
  upstream.closeAllConnections()
  upstream.close()
})

const secret = 'orders-secret-orders-secret-orders'
const file = `issuer: { url: http://localhost:8080, listen: 127.0.0.1:0, store: 'memory:' }
gateway: { listen: 127.0.0.1:0 }
operations: { listen: 127.0.0.1:0, accessLog: on }
trustedProxies: [127.0.0.1]
services:
  billing:
    audience: https://billing.example
    roles: [reader, admin]
    upstream: http://127.0.0.1:${(upstream.address() as AddressInfo).port}
    at: /billing
    routes: { GET /health: open, 'GET /invoices/{id}': { roles: reader }, GET /broken: open, POST /invoices: { roles: admin } }
clients:
  orders: { authenticate: { secret: { env: S } }, may: { billing: { roles: reader } } }
`

test('the numbers of issuer and gateway, by words of the trust file', async (t) => {
  const { servers, logged } = await start(t)
  const { issuer, gateway } = origins(servers)
  const token = await askToken(issuer, secret)
  assert.ok(token.access_token)
  await askToken(issuer, 'wrong')
  const bearer = { Authorization: `Bearer ${token.access_token}` }
  const calls: [path: string, init: RequestInit, status: number][] = [
    ['/billing/invoices/7?secret=1', { headers: bearer }, 200],
    ['/billing/invoices/8', { headers: bearer }, 200],
    ['/billing/invoices/8', {}, 401],
    ['/billing/invoices', { method: 'POST', headers: bearer }, 403],
    ['/billing/made-up-by-a-caller', {}, 404],
    ['/billing/broken', {}, 502],
    ['/nowhere', {}, 404],
  ]
  for (const [path, init, status] of calls) {
    const answer = await fetch(gateway + path, init)
    assert.equal(answer.status, status, path)
    await answer.text()
  }

  const text = await numbers(servers)
  const requests = 'countersign_gateway_requests_total'
  const route = 'service="billing",route="GET /invoices/{id}"'
  for (const line of [
    'countersign_issuer_tokens_total{grant="client_credentials",auth="post",outcome="issued"} 1',
    'countersign_issuer_tokens_total{grant="client_credentials",auth="post",outcome="invalid_client"} 1',
    'countersign_issuer_requests_total{endpoint="token",status="2xx"} 1',
    'countersign_issuer_keys{state="active"} 1',
    'countersign_issuer_revocations 0',
    `${requests}{${route},status="2xx",reason="allowed"} 2`,
    `${requests}{${route},status="4xx",reason="token-missing"} 1`,
    `${requests}{service="billing",route="POST /invoices",status="4xx",reason="role-missing"} 1`,
    `${requests}{service="billing",route="none",status="4xx",reason="route-unknown"} 1`,
    `${requests}{service="none",route="none",status="4xx",reason="service-unknown"} 1`,
    `countersign_gateway_request_duration_seconds_count{${route}} 3`,
    'countersign_gateway_upstream_failures_total{service="billing",failure="closed"} 1',
    'countersign_gateway_active_requests 0',
  ]) {
    assert.ok(text.includes(`\n${line}\n`), `${line}\n\n${text}`)
  }
  assert.match(text, /^countersign_store_duration_seconds_count\{operation="readRing"\} [1-9]/m)
  assert.match(text, /^countersign_gateway_bytes_out_total [1-9]\d+$/m)
  assert.match(text, /^countersign_issuer_next_rotation_seconds 2\d{6}/m)
  assert.match(text, /^countersign_gateway_upstream_connections\{upstream="[^"]+",state="idle"\} \d/m)
  assert.ok(!text.includes('made-up') && !text.includes('wrong') && !text.includes(token.access_token))
  wellFormed(text)

  const lines = logged.filter(({ event }) => event === 'access')
  assert.equal(lines.length, 9)
  const issued = lines.find(({ outcome }) => outcome === 'issued')!
  const allowed = lines.find(({ reason }) => reason === 'allowed')!
  assert.ok(issued['tokenId'])
  assert.equal(issued['tokenId'], allowed['tokenId'])
  assert.deepEqual(
    [issued['client'], allowed['client'], allowed['path'], allowed['route'], allowed['status']],
    ['orders', 'orders', '/billing/invoices/7', 'GET /invoices/{id}', 200],
  )
  const refused = lines.find(({ reason }) => reason === 'role-missing')!
  const decision = logged.find(
    ({ event, reason }) => event === 'gateway.denied' && reason === 'role-missing',
  )!
  assert.equal(refused['requestId'], decision['requestId'])
  assert.ok(!JSON.stringify(lines).includes('secret'))
  assert.ok(lines.every(({ unlisted }) => unlisted === undefined))
})

test('whose request it is, behind a proxy that the file trusts', async (t) => {
  const { servers, logged } = await start(t)
  const { issuer } = origins(servers)
  await (await fetch(`${issuer}/livez`, { headers: { 'X-Forwarded-For': '6.6.6.6, 203.0.113.9' } })).text()
  await numbers(servers)
  assert.equal(logged.find(({ event }) => event === 'access')?.['address'], '203.0.113.9')
})

test('no operations section, no listener and no lines', async (t) => {
  const { servers, logged } = await start(t, file.replace(/^operations.*\n/m, ''))
  assert.deepEqual(Object.keys(servers.addresses), ['issuer', 'gateway'])
  const { issuer, gateway } = origins(servers)
  for (const origin of [issuer, gateway]) assert.equal((await fetch(`${origin}/metrics`)).status, 404)
  assert.deepEqual(
    logged.filter(({ event }) => event === 'access'),
    [],
  )
})

test('while it stops it says that it is not ready, and the numbers stay until the end', async (t) => {
  const { servers } = await start(t)
  const at = servers.addresses.operations!.port
  assert.equal((await fetch(`http://127.0.0.1:${at}/readyz`)).status, 200)
  // Long enough for two requests, also on a machine that is busy.
  const closed = servers.close({ announceMs: 3_000 })
  assert.equal((await fetch(`http://127.0.0.1:${at}/readyz`)).status, 503)
  assert.equal((await fetch(`http://127.0.0.1:${at}/metrics`)).status, 200)
  await closed
  await assert.rejects(fetch(`http://127.0.0.1:${at}/metrics`))
})

type Line = Readonly<Record<string, unknown>>

async function start(t: TestContext, text = file): Promise<{ servers: RunningServers; logged: Line[] }> {
  const logged: Line[] = []
  const log = createLog({ write: (line) => void logged.push(JSON.parse(line) as Line) })
  const servers = await startServers({ trust: trustFrom(text), log, drainMs: 500 })
  t.after(() => servers.close())
  return { servers, logged }
}

function trustFrom(text: string): Trust {
  const reading = readTrust(text, { file: 'f', env: { S: secret }, readFile: () => '' })
  assert.ok(reading.kind === 'trust', JSON.stringify(reading))
  return reading.trust
}

function origins({ addresses }: RunningServers): { issuer: string; gateway: string } {
  return {
    issuer: `http://127.0.0.1:${addresses.issuer!.port}`,
    gateway: `http://127.0.0.1:${addresses.gateway!.port}`,
  }
}

/** Asked again until the last responses are closed, which is a moment after they have been read. */
async function numbers({ addresses }: RunningServers): Promise<string> {
  for (;;) {
    const text = await (await fetch(`http://127.0.0.1:${addresses.operations!.port}/metrics`)).text()
    if (
      /^countersign_gateway_active_requests 0$/m.test(text) &&
      /^countersign_issuer_active_requests 0$/m.test(text)
    )
      return text
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

async function askToken(issuer: string, clientSecret: string): Promise<{ access_token: string }> {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: 'orders',
    client_secret: clientSecret,
  })
  const answer = await fetch(`${issuer}/token`, { method: 'POST', body })
  return (await answer.json()) as { access_token: string }
}

/** Each line as the text format has it, each family once and announced before its samples. */
function wellFormed(text: string): void {
  const announced = new Set<string>()
  for (const line of text.trimEnd().split('\n')) {
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line)
    if (type !== null) {
      assert.ok(!announced.has(type[1]!), line)
      announced.add(type[1]!)
    } else if (!line.startsWith('# HELP ')) {
      const sample =
        /^([a-z_]+?)(_bucket|_sum|_count)?(\{([a-z]+="(\\.|[^"\\])*",?)+\})? -?\d[\d.e+-]*$/.exec(line)
      assert.ok(sample, line)
      assert.ok(announced.has(sample[1]!) || announced.has(`${sample[1]}${sample[2]}`), line)
    }
  }
}
