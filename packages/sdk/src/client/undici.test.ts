import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { Agent, fetch as undiciFetch, interceptors, request } from 'undici'
import type { Dispatcher } from 'undici'
import { startTestIssuer } from '../testing/loopback-issuer.ts'
import type { StartedTestIssuer } from '../testing/loopback-issuer.ts'
import { createTokenSource } from './token-source.ts'
import { undiciInterceptor } from './undici.ts'

let issuer: StartedTestIssuer
let agent: Dispatcher
const seen: { headers: IncomingHttpHeaders; body: string }[] = []
const server = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += String(chunk)
  seen.push({ headers: request.headers, body })
  if (request.url === '/away') response.writeHead(302, { Location: `${other()}/` }).end()
  else response.end('hello')
})
const stranger = createServer((request, response) => {
  seen.push({ headers: request.headers, body: '' })
  response.end('stranger')
})
const origin = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const other = (): string => `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`

before(async () => {
  issuer = await startTestIssuer({ clients: { orders: 'orders-secret' } })
  for (const one of [server, stranger])
    await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve))
  const source = createTokenSource(issuer.credentials('orders'))
  agent = new Agent().compose(undiciInterceptor(source, { origin: origin() }))
})
after(async () => {
  await agent.close()
  for (const one of [server, stranger]) one.close()
  await issuer.close()
})

test('each form of headers keeps what it says, but for Authorization', async () => {
  for (const headers of [
    { 'X-Custom': 'y', Authorization: 'Bearer mine' },
    ['X-Custom', 'y', 'authorization', 'Bearer mine'],
    new Map([
      ['X-Custom', 'y'],
      ['AUTHORIZATION', 'Bearer mine'],
    ]),
  ]) {
    seen.length = 0
    const reply = await request(`${origin()}/invoices`, {
      dispatcher: agent,
      headers,
      method: 'POST',
      body: 'abc',
    })
    assert.equal(await reply.body.text(), 'hello')
    assert.deepEqual([seen[0]!.headers['x-custom'], seen[0]!.body], ['y', 'abc'])
    await checkToken(seen[0]!.headers)
  }
  const reply = await request(`${origin()}/invoices`, { dispatcher: agent })
  await reply.body.dump()
  await checkToken(seen.at(-1)!.headers)
})

test('undici’s fetch, and Node’s own with Node’s own dispatcher', async () => {
  assert.equal(await (await undiciFetch(`${origin()}/`, { dispatcher: agent })).text(), 'hello')
  await checkToken(seen.at(-1)!.headers)
  // Where Node keeps the dispatcher of its global fetch, once that has been used.
  const own = (globalThis as unknown as Record<symbol, Dispatcher>)[Symbol.for('undici.globalDispatcher.1')]
  assert.ok(own !== undefined)
  const source = createTokenSource(issuer.credentials('orders'))
  const dispatcher = own.compose(undiciInterceptor(source, { origin: origin() }))
  const reply = await fetch(`${origin()}/`, { dispatcher } as object)
  assert.equal(await reply.text(), 'hello')
  await checkToken(seen.at(-1)!.headers)
})

test('another origin gets no token, also when a redirect leads there', async () => {
  seen.length = 0
  await (await request(`${other()}/`, { dispatcher: agent })).body.dump()
  const following = agent.compose(interceptors.redirect({ maxRedirections: 2 }))
  const reply = await request(`${origin()}/away`, { dispatcher: following })
  assert.equal(await reply.body.text(), 'stranger')
  const shown = seen.map(({ headers }) => headers.authorization !== undefined)
  assert.deepEqual(shown, [false, true, false])
})

test('without a token the request fails, and is not sent', async () => {
  seen.length = 0
  const refused = createTokenSource({ ...issuer.credentials('orders'), clientSecret: 'wrong' })
  const dispatcher = new Agent().compose(undiciInterceptor(refused, { origin: origin() }))
  await assert.rejects(request(`${origin()}/`, { dispatcher }), { code: 'token-refused' })
  await assert.rejects(undiciFetch(`${origin()}/`, { dispatcher }), (error: Error) => {
    assert.equal((error.cause as { code: string }).code, 'token-refused')
    return true
  })
  assert.deepEqual(seen, [])
  await dispatcher.close()
})

test('who gives up while the token is on its way is told at once, and the request is never sent', async () => {
  seen.length = 0
  let dispatched = 0
  const counting = new Agent().compose((dispatch) => (asked, handler) => {
    dispatched++
    return dispatch(asked, handler)
  })
  const source = createTokenSource(issuer.credentials('orders'))
  const dispatcher = counting.compose(undiciInterceptor(source, { origin: origin() }))
  const url = `${origin()}/`
  const before = issuer.requests.token
  issuer.fail({ delayMs: 200 })
  const { signal } = new AbortController()
  const other = request(url, { dispatcher, signal })
  const timeout = AbortSignal.timeout(20)
  await assert.rejects(request(url, { dispatcher, signal: timeout }), { name: 'TimeoutError' })
  const gone = AbortSignal.abort()
  await assert.rejects(request(url, { dispatcher, signal: gone }), { name: 'AbortError' })
  assert.equal(issuer.requests.token - before, 0, 'long before the token is there')
  assert.equal(getEventListeners(timeout, 'abort').length, 0)
  assert.equal(await (await other).body.text(), 'hello', 'others go on waiting')
  issuer.recover()
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  assert.deepEqual([dispatched, seen.length, issuer.requests.token - before], [1, 1, 1])
  await dispatcher.close()
})

test('the same by undici’s fetch, which tells nobody of its signal', async () => {
  seen.length = 0
  issuer.fail({ delayMs: 100 })
  const source = createTokenSource(issuer.credentials('orders'))
  const dispatcher = new Agent().compose(undiciInterceptor(source, { origin: origin() }))
  const signal = AbortSignal.timeout(20)
  await assert.rejects(undiciFetch(`${origin()}/`, { dispatcher, signal }), { name: 'TimeoutError' })
  issuer.recover()
  await source.token()
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.deepEqual(seen, [])
  await dispatcher.close()
})

test('no token over plain http to another machine', async () => {
  const source = createTokenSource(issuer.credentials('orders'))
  const dispatcher = new Agent().compose(undiciInterceptor(source, { origin: 'http://billing.example' }))
  await assert.rejects(request('http://billing.example/', { dispatcher }), { code: 'option-invalid' })
  await dispatcher.close()
})

test('an origin that is none is refused', () => {
  const source = createTokenSource(issuer.credentials('orders'))
  for (const origin of ['billing', 'https://billing.example/', 'https://billing.example/v1', '*', '']) {
    assert.throws(() => undiciInterceptor(source, { origin }), { code: 'option-invalid' })
  }
  assert.throws(() => undiciInterceptor(source, { origins: [] } as never), { code: 'option-unknown' })
})

async function checkToken({ authorization }: IncomingHttpHeaders): Promise<void> {
  const verification = await issuer.verifier().verify(authorization!.slice('Bearer '.length))
  assert.equal(verification.kind, 'verified')
}
