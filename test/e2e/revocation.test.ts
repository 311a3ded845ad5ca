/** A token is revoked, and the gateway hears of it: in the issuer's own process, and far away from it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import type { Trust } from '../../packages/server/src/trust/trust.ts'
import { startServers } from '../../packages/server/src/serve/start.ts'
import type { RunningServers, ServeOptions } from '../../packages/server/src/serve/start.ts'
import { freePort } from '../machine/free-port.ts'

const secret = 'orders-secret-orders-secret-orders'
let nowMs = Date.now()

test('in one process the next request after the answer is refused, though the token was just let in', async (t) => {
  const { trust } = await setting(t)
  const servers = await start(t, { trust })
  const token = await take(servers)
  for (let round = 0; round < 3; round++) assert.equal(await call(servers, token), 200)
  await revoke(servers, token)
  assert.equal(await call(servers, token), 401)
  assert.equal(await call(servers, await take(servers)), 200)
})

test('far away it is refused with the next look at the feed, and stays so while the issuer is gone', async (t) => {
  const { trust } = await setting(t)
  const issuer = await start(t, { trust, only: 'issuer' })
  const gateway = await start(t, { trust, only: 'gateway' })
  const [stolen, good] = [await take(issuer), await take(issuer)]
  for (const token of [stolen, good]) assert.equal(await call(gateway, token), 200)
  await revoke(issuer, stolen)
  nowMs += 60_000
  assert.equal(await call(gateway, stolen), 401)
  assert.equal(await call(gateway, good), 200)
  await issuer.close()
  nowMs += 120_000
  assert.equal(await call(gateway, stolen), 401)
  assert.equal(await call(gateway, good), 200)
})

test('a gateway starts without its issuer, and refuses what was revoked once it is there', async (t) => {
  const { trust } = await setting(t)
  const gateway = await start(t, { trust, only: 'gateway' })
  assert.equal(await call(gateway, undefined, '/billing/health'), 200)
  const issuer = await start(t, { trust, only: 'issuer' })
  const token = await take(issuer)
  await revoke(issuer, token)
  assert.equal(await call(gateway, token), 401)
})

test('with a limit it answers 503 without news, never 401, and what is open stays open', async (t) => {
  const { trust } = await setting(t, 'revocationsStaleAfter: 1m')
  const issuer = await start(t, { trust, only: 'issuer' })
  const gateway = await start(t, { trust, only: 'gateway' })
  const token = await take(issuer)
  assert.equal(await call(gateway, token), 200)
  await issuer.close()
  nowMs += 50_000
  assert.equal(await call(gateway, token), 200)
  nowMs += 10_000
  assert.equal(await call(gateway, token), 503)
  assert.equal(await call(gateway, undefined, '/billing/health'), 200)
})

test('a trust file that is read again forgets nothing that was revoked', async (t) => {
  const { trust } = await setting(t)
  const servers = await start(t, { trust })
  const token = await take(servers)
  await revoke(servers, token)
  servers.replace({ ...trust })
  assert.equal(await call(servers, token), 401)
})

async function setting(t: TestContext, gateway = 'realm: acme'): Promise<{ readonly trust: Trust }> {
  const upstream = createServer((_request, response) => response.end('secret information'))
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  t.after(() => upstream.close())
  const port = await freePort()
  const text = `issuer: { url: 'http://127.0.0.1:${port}', listen: '127.0.0.1:${port}', store: 'memory:' }
gateway: { listen: 127.0.0.1:0, ${gateway} }
services:
  billing:
    audience: https://billing.example
    upstream: http://127.0.0.1:${(upstream.address() as AddressInfo).port}
    at: /billing
    routes: { GET /health: open, GET /invoices: authenticated }
clients:
  orders: { authenticate: { secret: { env: S } }, may: { billing: {} } }
`
  const reading = readTrust(text, { file: 'f', env: { S: secret }, readFile: () => '' })
  assert.ok(reading.kind === 'trust', JSON.stringify(reading))
  return { trust: reading.trust }
}

async function start(t: TestContext, options: ServeOptions): Promise<RunningServers> {
  const servers = await startServers({ clock: () => nowMs, drainMs: 100, ...options })
  t.after(() => servers.close())
  return servers
}

async function take({ addresses }: RunningServers): Promise<string> {
  const answer = await post(addresses.issuer!.port, '/token', { grant_type: 'client_credentials' })
  return String(((await answer.json()) as { access_token: string }).access_token)
}

async function revoke({ addresses }: RunningServers, token: string): Promise<void> {
  const answer = await post(addresses.issuer!.port, '/revoke', { token })
  assert.deepEqual([answer.status, await answer.text()], [200, ''])
}

function post(port: number, path: string, fields: Record<string, string>): Promise<Response> {
  const body = new URLSearchParams({ ...fields, client_id: 'orders', client_secret: secret })
  return fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body })
}

async function call(
  { addresses }: RunningServers,
  token?: string,
  path = '/billing/invoices',
): Promise<number> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const answer = await fetch(`http://127.0.0.1:${addresses.gateway!.port}${path}`, { headers })
  await answer.text()
  return answer.status
}
