import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { generateSigningKey, publicJwk } from '@countersign/sdk/jwt'
import { createGateway } from './gateway.ts'
import {
  ask,
  bearer,
  get,
  listenOn,
  okReply,
  openStand,
  openUpstream,
  RawClient,
  standService,
  standTrust,
  until,
} from '../../../../test/gateway/stand.ts'
import type { Script, ScriptedUpstream, Stand, StandOptions } from '../../../../test/gateway/stand.ts'

test('an unknown option is refused', () => {
  const misspelt = { trust: standTrust('http://127.0.0.1:1'), onDecisoin: () => undefined }
  assert.throws(() => createGateway(misspelt), { code: 'option-unknown', next: 'did you mean "onDecision"?' })
})

test('a trust file that cannot be put to work is refused when the gateway is made', () => {
  // No issuer's tokens are accepted, and there are routes that ask for one.
  assert.throws(() => createGateway({ trust: standTrust('http://127.0.0.1:1') }), { code: 'trust-unusable' })
})

test('limits stand in the trust file, and who makes the gateway has the last word', async (t) => {
  const plain = standTrust('http://127.0.0.1:1')
  const trust = { ...plain, gateway: { ...plain.gateway!, limits: { requestHeadMs: 60 } } }
  for (const [limits, expected, waitMs] of [
    [{}, 408, 10_000],
    [{ requestHeadMs: 60_000 }, 'nothing', 1_000],
  ] as const) {
    const stand = await openStand('http://127.0.0.1:1', { gateway: { trust }, limits })
    t.after(() => stand.close())
    const client = new RawClient(stand.port).send('GET / HTTP/1.1\r\n')
    const seen = await client.reply(waitMs).then(
      ({ status }) => status,
      () => 'nothing',
    )
    assert.equal(seen, expected)
    client.destroy()
  }
})

test('a gateway that never had the keys of its issuer is alive but not ready, until it has them', async (t) => {
  const keys = [publicJwk(generateSigningKey('ES256', { keyId: 'a' }))]
  let isUp = false
  // The issuer, while somebody has pulled its plug.
  const front = createServer((request, response) => {
    if (!isUp) return void response.writeHead(503).end()
    const metadata = { issuer: origin, jwks_uri: `${origin}/jwks.json` }
    response.end(JSON.stringify(request.url === '/jwks.json' ? { keys } : metadata))
  })
  const origin = `http://127.0.0.1:${await listenOn(front)}`
  const upstream = await openUpstream()
  const stand = await openStand(upstream.url, { remoteIssuer: origin })
  t.after(async () => {
    await stand.close()
    await upstream.close()
    front.closeAllConnections()
    front.close()
  })
  const probe = async (name: string): Promise<number> =>
    (await ask(stand.port, get(`/.well-known/countersign/${name}`))).status
  assert.deepEqual([await probe('livez'), await probe('readyz')], [200, 503])
  isUp = true
  // Nobody but the probe asks for the keys.
  while ((await probe('readyz')) !== 200) await new Promise((resolve) => setTimeout(resolve, 50))
})

test('works by another trust file from the next request on; what is under way ends by the old one', async (t) => {
  const held: (() => void)[] = []
  const { stand, upstream } = await open(t, (socket) => void held.push(() => socket.write(okReply('old'))))
  const other = await openUpstream((socket) => socket.write(okReply('new')))
  t.after(() => other.close())
  const client = new RawClient(stand.port).send(get('/billing/health') + get('/billing/health'))
  await until(() => held.length === 1, 'the first request is under way')
  stand.gateway.replace(standTrust(other.url))
  held[0]!()
  assert.equal((await client.reply()).body, 'old')
  assert.equal((await client.reply()).body, 'new')
  client.destroy()
  await until(() => upstream.sockets.size === 0, 'connections to the old upstream are closed')
})

test('a token that was good for a route is judged by the new rules at once', async (t) => {
  const { stand, upstream } = await open(t)
  const request = get('/billing/invoices/7', bearer(stand.token()))
  assert.equal((await ask(stand.port, request)).status, 200)
  const service = standService(upstream.url, {
    routes: [{ method: 'GET', template: '/invoices/{id}', requirement: { roles: 'admin' }, line: 1 }],
  })
  stand.gateway.replace({ ...stand.trust, services: new Map([['billing', service]]) })
  assert.equal((await ask(stand.port, request)).status, 403)
  stand.gateway.replace(stand.trust)
  assert.equal((await ask(stand.port, request)).status, 200)
})

test('a trust file that cannot be put to work leaves the one before in force', async (t) => {
  const { stand } = await open(t)
  assert.throws(() => stand.gateway.replace(standTrust('ftp://x')), { code: 'upstream-invalid' })
  assert.equal((await ask(stand.port, get('/billing/health'))).status, 200)
})

test('closing lets requests end, says so to each connection, and then lets go of everything', async (t) => {
  const held: (() => void)[] = []
  const { stand, upstream } = await open(
    t,
    (socket) => void held.push(() => socket.write(okReply('ok'))),
    patient,
  )
  const began = performance.now()
  const idle = new RawClient(stand.port).send(get('/.well-known/countersign/livez'))
  await idle.reply()
  const busy = new RawClient(stand.port).send(get('/billing/health'))
  await until(() => held.length === 1, 'a request is under way')
  const closed = stand.close()
  await idle.end()
  held[0]!()
  const reply = await busy.reply()
  assert.deepEqual([reply.body, reply.headers['connection']], ['ok', 'close'])
  await busy.end()
  await closed
  assert.ok(performance.now() - began < 10_000)
  await until(() => upstream.sockets.size === 0, 'upstream connections are closed')
  await assert.rejects(ask(stand.port, get('/billing/health')))
})

test('closing cuts off no reply that is still on its way, however long it takes the client', async (t) => {
  const body = 'x'.repeat(8_000_000)
  const { stand } = await open(t, (socket) => socket.write(okReply(body)), patient)
  const began = performance.now()
  const client = new RawClient(stand.port).send(get('/billing/health'))
  await until(() => client.received.length > 0, 'the reply has begun')
  client.socket.pause()
  await new Promise((resolve) => setTimeout(resolve, 100))
  const closed = stand.close()
  await new Promise((resolve) => setTimeout(resolve, 150))
  client.socket.resume()
  assert.equal((await client.reply()).body.length, body.length)
  await client.end()
  await closed
  assert.ok(performance.now() - began < 10_000)
})

test('a request that was on its way when closing began is served', async (t) => {
  const { stand } = await open(t, undefined, patient)
  const client = new RawClient(stand.port).send(get('/billing/health'))
  assert.equal((await client.reply()).status, 200)
  const closed = stand.close()
  client.send(get('/billing/health'))
  // The process stands still, so that the time for it has passed before it is read.
  for (const until = performance.now() + 200; performance.now() < until;);
  const reply = await client.reply()
  assert.equal(reply.status, 200)
  assert.equal(reply.headers['connection'], 'close')
  await closed
})

test('closing waits only so long', async (t) => {
  const { stand } = await open(t, () => undefined)
  const client = new RawClient(stand.port).send(get('/billing/health'))
  await until(() => stand.decisions.length === 1, 'the request is under way')
  const began = performance.now()
  await stand.close()
  // Its answer would be waited for a minute.
  assert.ok(performance.now() - began < 20_000)
  await client.end()
})

test('announced, it serves on while it says that it is not ready', async (t) => {
  const { stand } = await open(t)
  const closed = stand.gateway.close({ announceMs: 3_000 })
  assert.equal((await ask(stand.port, get('/.well-known/countersign/readyz'))).status, 503)
  assert.equal((await ask(stand.port, get('/.well-known/countersign/livez'))).status, 200)
  const reply = await ask(stand.port, get('/billing/health'))
  assert.equal(reply.status, 200)
  assert.equal(reply.headers['connection'], 'close')
  await closed
})

test('when others go on, an idle client is told with its next reply, and readyz has nothing to tell', async (t) => {
  const { stand } = await open(t, undefined, patient)
  const clients = [1, 2].map(() => new RawClient(stand.port).send(get('/billing/health')))
  for (const client of clients) assert.equal((await client.reply()).status, 200)
  const closed = stand.gateway.close({ unnoticed: true })
  await new Promise((resolve) => setTimeout(resolve, 300))
  await assert.rejects(ask(stand.port, get('/billing/health')), 'nobody new is let in')
  const paths = ['/billing/health', '/.well-known/countersign/readyz']
  for (const [index, client] of clients.entries()) {
    const reply = await client.send(get(paths[index]!)).reply()
    assert.deepEqual([reply.status, reply.headers['connection']], [200, 'close'])
    await client.end()
  }
  await closed
})

/** Longer than the test may take. */
const patient: StandOptions = { limits: { drainMs: 20_000 } }

async function open(
  t: TestContext,
  script?: Script,
  options: StandOptions = {},
): Promise<{ stand: Stand; upstream: ScriptedUpstream }> {
  const upstream = await openUpstream(script)
  const stand = await openStand(upstream.url, options)
  t.after(async () => {
    await stand.close()
    await upstream.close()
  })
  return { stand, upstream }
}
