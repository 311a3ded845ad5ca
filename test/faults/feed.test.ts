/** The issuer is gone, and with it the list of what is revoked that the gateway follows. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { startServers } from '../../packages/server/src/serve/start.ts'
import type { RunningServers, ServeOptions } from '../../packages/server/src/serve/start.ts'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import { freePort } from '../cli/issuer.ts'
import { ask, bearer, get, okReply, openUpstream } from '../gateway/stand.ts'
import type { ScriptedUpstream } from '../gateway/stand.ts'
import { backToStart } from './back-to-start.ts'

const secret = 'orders-secret-orders-secret-orders'

test('what was revoked stays so while the issuer is gone, who is good goes on, and nothing is left of it', async (t) => {
  const { gateway, upstream, clock, issue, startIssuer } = await open(t)
  await backToStart(upstream.sockets, async () => {
    const issuer = await startIssuer()
    const [stolen, good] = [await issue(issuer), await issue(issuer)]
    for (const token of [stolen, good]) assert.equal(await call(gateway, token), 200)
    await post(issuer, '/revoke', { token: stolen })
    clock.aheadMs += 60_000
    assert.equal(await call(gateway, stolen), 401)
    await issuer.close()
    clock.aheadMs += 60_000
    for (let count = 0; count < 10; count++) {
      assert.deepEqual([await call(gateway, stolen), await call(gateway, good)], [401, 200])
    }
  })
})

test('with a limit nobody is let in without news, and everybody once there is some; nothing is left of it', async (t) => {
  const { gateway, upstream, clock, issue, startIssuer } = await open(t, 'revocationsStaleAfter: 1m')
  await backToStart(upstream.sockets, async () => {
    const issuer = await startIssuer()
    const token = await issue(issuer)
    await untilStatus(gateway, token, 200)
    await issuer.close()
    clock.aheadMs += 61_000
    for (let count = 0; count < 10; count++) assert.equal(await call(gateway, token), 503)
    assert.equal(await call(gateway, undefined, '/billing/health'), 200)
    clock.aheadMs += 61_000
  })
})

/** A gateway whose issuer comes and goes; its keys stay the same. */
async function open(t: TestContext, more = 'realm: acme') {
  const upstream: ScriptedUpstream = await openUpstream((socket) =>
    socket.end(okReply('ok', 'Connection: close')),
  )
  t.after(() => upstream.close())
  const port = await freePort()
  const text = `issuer: { url: 'http://127.0.0.1:${port}', listen: '127.0.0.1:${port}', store: 'memory:' }
gateway: { listen: 127.0.0.1:0, ${more} }
services:
  billing:
    audience: https://billing.example
    upstream: ${upstream.url}
    at: /billing
    routes: { GET /health: open, GET /invoices: authenticated }
clients:
  orders: { authenticate: { secret: { env: S } }, may: { billing: {} } }
`
  const reading = readTrust(text, { file: 'f', env: { S: secret }, readFile: () => '' })
  assert.ok(reading.kind === 'trust', JSON.stringify(reading))
  const clock = { aheadMs: 0 }
  const start = async (options: Pick<ServeOptions, 'only'>): Promise<RunningServers> => {
    const { trust } = reading
    const servers = await startServers({
      trust,
      clock: () => Date.now() + clock.aheadMs,
      drainMs: 100,
      ...options,
    })
    t.after(() => servers.close())
    return servers
  }
  return {
    gateway: await start({ only: 'gateway' }),
    startIssuer: () => start({ only: 'issuer' }),
    upstream,
    clock,
    issue: async (issuer: RunningServers): Promise<string> => {
      const { access_token: token } = JSON.parse(
        await post(issuer, '/token', { grant_type: 'client_credentials' }),
      )
      return String(token)
    },
  }
}

async function call(servers: RunningServers, token?: string, path = '/billing/invoices'): Promise<number> {
  const { port } = servers.addresses.gateway!
  const lines = token === undefined ? [] : [bearer(token)]
  return (await ask(port, get(path, 'Connection: close', ...lines))).status
}

async function post(
  { addresses }: RunningServers,
  path: string,
  fields: Readonly<Record<string, string>>,
): Promise<string> {
  const body = new URLSearchParams({ ...fields, client_id: 'orders', client_secret: secret }).toString()
  const head = [
    `POST ${path} HTTP/1.1`,
    'Host: issuer.test',
    'Connection: close',
    'Content-Type: application/x-www-form-urlencoded',
    `Content-Length: ${body.length}`,
  ]
  const reply = await ask(addresses.issuer!.port, [...head, '', body].join('\r\n'))
  assert.equal(reply.status, 200, reply.body)
  return reply.body
}

/** After an outage the issuer is left alone for a moment. */
async function untilStatus(gateway: RunningServers, token: string, wanted: number): Promise<void> {
  for (const deadline = Date.now() + 60_000; (await call(gateway, token)) !== wanted;) {
    assert.ok(Date.now() < deadline, `still not ${wanted}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
