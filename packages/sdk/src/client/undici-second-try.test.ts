import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, beforeEach, test } from 'node:test'
import { Agent, request } from 'undici'
import { guardNode } from '../guard/node.ts'
import { createDpopNonces } from '../jwt/dpop-nonce.ts'
import { jwkThumbprint } from '../jwt/jwk.ts'
import type { Jwk } from '../jwt/jwk.ts'
import { startTestIssuer } from '../testing/loopback-issuer.ts'
import { createTokenSource } from './token-source.ts'
import { undiciInterceptor } from './undici.ts'
import { hasSecondTry, SecondTry } from './undici-second-try.ts'

let seen: { authorization: string | undefined; body: string }[] = []
let answers: RequestListener[] = []
const server = createServer(async (asked, response) => {
  let body = ''
  for await (const chunk of asked.setEncoding('utf8')) body += String(chunk)
  seen.push({ authorization: asked.headers.authorization, body })
  const answer = answers.shift()
  if (answer === undefined) response.end('hello')
  else answer(asked, response)
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const issuer = await startTestIssuer({ clients: { orders: 'orders-secret' }, nowMs: 1_800_000_000_000 })
const agents: Agent[] = []
after(async () => {
  await Promise.all(agents.map((agent) => agent.close()))
  server.close()
  await issuer.close()
})
beforeEach(() => {
  seen = []
  answers = []
  issuer.recover()
})

const refuse: RequestListener = (_, response) => {
  response.writeHead(401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' }).end('no'.repeat(9))
}

for (const [what, body] of [
  ['no body', undefined],
  ['a text', 'abc'],
  ['bytes', Buffer.from('abc')],
] as const) {
  test(`after invalid_token a request with ${what} is sent once more, with a new token`, async () => {
    const dispatcher = make()
    await text(dispatcher)
    issuer.advance(10)
    seen = []
    answers = [refuse]
    assert.equal(await text(dispatcher, body), '200 hello')
    assert.equal(seen.length, 2)
    assert.notEqual(seen[0]!.authorization, seen[1]!.authorization)
    assert.deepEqual(
      seen.map((one) => one.body),
      body === undefined ? ['', ''] : ['abc', 'abc'],
    )
  })
}

test('once, and never with a body that can be read once', async () => {
  const dispatcher = make()
  await text(dispatcher)
  issuer.advance(10)
  answers = [refuse, refuse]
  assert.equal(await text(dispatcher), `401 ${'no'.repeat(9)}`)
  assert.equal(seen.length, 3)
  issuer.advance(10)
  seen = []
  answers = [refuse]
  const stream = (function* () {
    yield Buffer.from('abc')
  })()
  assert.equal(await text(dispatcher, stream), `401 ${'no'.repeat(9)}`)
  assert.equal(seen.length, 1)
})

test('without another token, and for another reason, the answer is the one that there is', async () => {
  const dispatcher = make()
  answers = [refuse]
  assert.equal(await text(dispatcher), `401 ${'no'.repeat(9)}`, 'the token is brand-new')
  issuer.advance(10)
  issuer.fail({ token: 503 })
  answers = [refuse]
  assert.equal(await text(dispatcher), `401 ${'no'.repeat(9)}`)
  answers = [(_, response) => void response.writeHead(401).end('other')]
  assert.equal(await text(dispatcher), '401 other')
  assert.equal(seen.length, 3)
})

test('whoever gives up while it is asked about is told so', async () => {
  const dispatcher = make()
  await text(dispatcher)
  issuer.advance(10)
  issuer.fail({ delayMs: 50 })
  answers = [refuse]
  const signal = AbortSignal.timeout(20)
  await assert.rejects(request(origin, { dispatcher, signal }), { name: 'TimeoutError' })
})

test('also when the answer is over by then, so that nothing is left to abort', async () => {
  const told: unknown[] = []
  const handler = {
    onRequestStart() {},
    onResponseStart: () => assert.fail('an answer'),
    onResponseError: (_: unknown, error: unknown) => told.push(error),
  }
  const asked = Promise.withResolvers<undefined>()
  const second = new SecondTry(
    handler,
    () => asked.promise,
    () => assert.fail('sent'),
  )
  const over = { pause() {}, resume() {}, abort() {} }
  second.onResponseStart(over, 401, { 'www-authenticate': 'Bearer error="invalid_token"' })
  second.onResponseEnd(over, {})
  asked.reject('enough')
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(told, ['enough'])
})

test('nonces are learnt, by one more try and by answers', async () => {
  const nonces = createDpopNonces()
  const bound: IncomingMessage[] = []
  const key = createServer()
  await new Promise<void>((resolve) => key.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(key.address() as AddressInfo).port}`
  const source = createTokenSource({
    tokenEndpoint: `${url}/token`,
    clientId: 'orders',
    clientSecret: 's',
    dpop: true,
    clock: issuer.clock,
  })
  const guard = issuer.guard({ senderConstraint: 'required', publicUrl: url, proofs: { nonces } })
  const guarded = guardNode(guard, 'authenticated', (_, response) => response.end('bound'))
  key.on('request', (asked: IncomingMessage, response) => {
    bound.push(asked)
    if (asked.url !== '/token') return guarded(asked, response)
    asked.resume()
    const [head] = String(asked.headers['dpop']).split('.')
    const { jwk } = JSON.parse(Buffer.from(head!, 'base64url').toString()) as { jwk: Jwk }
    const token = issuer.token({ claims: { cnf: { jkt: jwkThumbprint(jwk) } } })
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify({ access_token: token, token_type: 'DPoP', expires_in: 300 }))
  })
  const agent = new Agent()
  agents.push(agent)
  const dispatcher = agent.compose(undiciInterceptor(source, { origin: url }))
  const ask = async () => (await request(`${url}/invoices?page=2`, { dispatcher })).body.text()
  assert.equal(await ask(), 'bound')
  assert.equal(bound.length, 3, 'the token, without the nonce, and with it')
  issuer.advance(61)
  assert.equal(await ask(), 'bound', 'by the ageing nonce, and the next one is told')
  issuer.advance(61)
  assert.equal(await ask(), 'bound')
  assert.equal(bound.length, 5)
  key.close()
})

test('what can be sent a second time, and to whom', () => {
  const handler = { onRequestStart() {} }
  for (const body of [undefined, null, 'x', new Uint8Array(1), new ArrayBuffer(1)]) {
    assert.ok(hasSecondTry({ body }, handler))
  }
  assert.ok(!hasSecondTry({ body: new ReadableStream() }, handler))
  assert.ok(!hasSecondTry({ upgrade: 'websocket' }, handler))
  assert.ok(!hasSecondTry({}, { onConnect() {} }))
})

function make() {
  const source = createTokenSource(issuer.credentials('orders'))
  const agent = new Agent()
  agents.push(agent)
  return agent.compose(undiciInterceptor(source, { origin }))
}

async function text(dispatcher: ReturnType<typeof make>, body?: string | Buffer | Iterable<Buffer>) {
  const asked = body === undefined ? { dispatcher } : { dispatcher, method: 'POST' as const, body }
  const reply = await request(origin, asked as { dispatcher: typeof dispatcher })
  return `${reply.statusCode} ${await reply.body.text()}`
}
