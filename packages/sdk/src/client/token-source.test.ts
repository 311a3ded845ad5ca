import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, beforeEach, test } from 'node:test'
import { inspect } from 'node:util'
import { Problem } from '../core/problem.ts'
import { createTokenSource } from './token-source.ts'
import type { TokenSource } from './token-source.ts'
import type { TokenSourceEvent, TokenSourceOptions } from './token-source-options.ts'

let requests = 0
let path = '/token'
let asked = ''
let respond: (response: ServerResponse) => void = grant
const server = createServer((request, response) => {
  if (request.method === 'GET') {
    const isMetadata = request.url === '/.well-known/openid-configuration'
    response.writeHead(isMetadata ? 200 : 404, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ issuer, token_endpoint: `${issuer}${path}` }))
    return
  }
  requests++
  asked = request.url!
  request.resume().on('end', () => respond(response))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
after(() => {
  server.close()
  server.closeAllConnections()
})
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

let now = 0
let events: TokenSourceEvent[] = []
beforeEach(() => {
  requests = 0
  path = '/token'
  respond = grant
  now = 1_800_000_000_000
  events = []
})

test('many ask, one request is made, and all have the same token', async () => {
  const source = make()
  const tokens = await Promise.all([source.token(), source.token(), source.token()])
  assert.equal(requests, 1)
  assert.equal(tokens[0]!.secret.revealText(), 'token-1')
  assert.ok(tokens.every((token) => token === tokens[0]))
  assert.equal(tokens[0]!.expiresAtMs, now + 300_000)
  assert.equal(await source.authHeader(), 'Bearer token-1')
  const headers = await source.headersFor('GET', 'https://billing.example/')
  assert.deepEqual(headers, { Authorization: 'Bearer token-1' })
  await assert.rejects(source.headersFor('GET', 'http://billing.example/'), { code: 'option-invalid' })
  assert.equal(requests, 1)
  assert.deepEqual(events, [{ kind: 'obtained', expiresAtMs: now + 300_000 }])
})

test('at four fifths of its life it is renewed in the background, and nobody waits', async () => {
  const source = make()
  await source.token()
  now += 239_000
  assert.equal(await header(source), 'Bearer token-1')
  assert.equal(requests, 1)
  now += 2000
  const release = hold()
  assert.equal(await header(source), 'Bearer token-1', 'the old one, at once')
  assert.equal(await header(source), 'Bearer token-1')
  release()
  await until(() => events.length === 2)
  assert.equal(await header(source), 'Bearer token-2')
  assert.equal(requests, 2, 'one request however many asked')
})

test('renewals are spread over the last tenth before', async () => {
  const source = make({ random: () => 1 })
  await source.token()
  now += 215_000
  await source.token()
  assert.equal(requests, 1)
  now += 2000
  await source.token()
  await until(() => requests === 2)
})

test('a token at its end is waited for, not sent', async () => {
  const source = make()
  await source.token()
  now += 291_000
  assert.equal(await header(source), 'Bearer token-2')
})

test('while the issuer is down the token at hand serves until it dies; then the problem says so', async () => {
  const source = make()
  await source.token()
  respond = (response) => response.writeHead(503, { 'Retry-After': '20' }).end()
  now += 250_000
  assert.equal(await header(source), 'Bearer token-1')
  await until(() => events.length === 2)
  assert.deepEqual(told(1), ['failed', 'token-unavailable', true])
  now += 15_000
  assert.equal(await header(source), 'Bearer token-1')
  assert.equal(requests, 2, 'the issuer asked to be left alone for 20 s')
  now += 6_000
  assert.equal(await header(source), 'Bearer token-1')
  await until(() => requests === 3)
  await until(() => events.length === 3)
  now += 30_000
  await assert.rejects(source.token(), { code: 'token-unavailable' })
  assert.deepEqual(told(3), ['failed', 'token-unavailable', false])
  respond = grant
  now += 20_000
  assert.equal(await header(source), 'Bearer token-5', 'and it comes back by itself')
})

test('after failures the issuer is left alone for a second that doubles', async () => {
  const source = make({ random: () => 0 })
  respond = (response) => response.writeHead(500).end()
  for (const waitMs of [1000, 2000, 4000, 8000]) {
    const before = requests
    await assert.rejects(source.token(), (problem: Problem) => {
      assert.equal(problem.retryAfterSeconds, waitMs / 1000)
      return true
    })
    assert.equal(requests, before + 1)
    now += waitMs - 1
    await assert.rejects(source.token(), { code: 'token-unavailable', retryAfterSeconds: 0.001 })
    assert.equal(requests, before + 1, 'refused without a request')
    now += 1
  }
  for (let round = 0; round < 5; round++) {
    await assert.rejects(source.token())
    now += 60_000
  }
  respond = grant
  const token = await source.token()
  assert.equal(token.expiresAtMs, now + 300_000, 'never longer than a minute')
  respond = (response) => response.writeHead(500).end()
  now += 300_000
  await assert.rejects(source.token(), { retryAfterSeconds: 1 }, 'a success starts it anew')
})

test('a refusal is told as one, again and again without asking', async () => {
  const source = make()
  respond = (response) => response.writeHead(401).end('{"error":"invalid_client"}')
  await assert.rejects(source.token(), { code: 'token-refused', message: `${issuer}/token: invalid_client` })
  await assert.rejects(source.authHeader(), { code: 'token-refused' })
  assert.equal(requests, 1)
})

test('who gives up waiting is told at once, and the request goes on for the others', async () => {
  const source = make()
  const release = hold()
  const url = `${issuer}/invoices`
  const gone = source.fetch(url, { signal: AbortSignal.timeout(30) })
  const other = source.token()
  await assert.rejects(gone, { name: 'TimeoutError' })
  release()
  assert.equal((await other).secret.revealText(), 'token-1')
  assert.equal(requests, 1)
})

test('a secret that is read each time needs no restart when it is rotated', async () => {
  let reads = 0
  const source = make({ clientSecret: async () => `secret-${++reads}` })
  await source.token()
  now += 295_000
  await source.token()
  assert.equal(reads, 2)
})

test('a secret that cannot be read is no crash, and not told', async () => {
  const source = make({
    clientSecret: () => {
      throw Object.assign(new Error('unexpected content: s3cr3t'), { code: 'ENOENT' })
    },
  })
  await assert.rejects(source.token(), (problem: Problem) => {
    assert.equal(problem.message, "the client's secret cannot be read (ENOENT)")
    assert.equal(problem.cause, undefined)
    return true
  })
})

test('without metadata: the token endpoint itself', async () => {
  const source = createTokenSource({
    tokenEndpoint: `${issuer}/token`,
    clientId: 'orders',
    clientSecret: 's',
  })
  assert.equal(await header(source), 'Bearer token-1')
})

test('metadata that cannot be had is a token that cannot be had', async () => {
  const source = createTokenSource({ issuer: 'http://127.0.0.1:1', clientId: 'orders', clientSecret: 's' })
  await assert.rejects(source.token(), { code: 'token-unavailable' })
  const other = createTokenSource({ issuer: `${issuer}/`, clientId: 'orders', clientSecret: 's' })
  await assert.rejects(other.token(), { code: 'token-unavailable', message: /another issuer/ })
})

test('an endpoint that moves is found again after a failure', async () => {
  const source = make()
  await source.token()
  path = '/moved'
  now += 295_000
  respond = (response) => response.writeHead(404).end()
  await assert.rejects(source.token(), { code: 'token-unavailable' })
  respond = grant
  now += 5000
  await source.token()
  assert.equal(asked, '/moved')
})

test('another token than a refused one: once, and not for a brand-new one', async () => {
  const source = make()
  const first = await source.token()
  assert.equal(await source.renewed(first), undefined, 'it is brand-new')
  now += 6000
  const [second, same] = await Promise.all([source.renewed(first), source.renewed(first)])
  assert.equal(second?.secret.revealText(), 'token-2')
  assert.equal(same, second)
  assert.equal(await source.renewed(first), second, 'already replaced')
  assert.equal(requests, 2)
  now += 6000
  respond = (response) => response.writeHead(503).end()
  assert.equal(await source.renewed(second!), undefined)
  assert.equal(await source.token(), second, 'kept: it may still be good elsewhere')
})

test('nothing of a source or its token can be printed', async () => {
  const source = make({ clientSecret: 's3cr3t-text' })
  const token = await source.token()
  for (const shown of [source, token, events]) {
    const text = inspect(shown, { depth: 9, showHidden: true }) + JSON.stringify(shown)
    assert.ok(!text.includes('token-1') && !text.includes('s3cr3t'), text)
  }
})

test('an event that cannot be told changes nothing', async () => {
  const source = make({
    onEvent() {
      throw new Error('the disk is full')
    },
  })
  assert.equal(await header(source), 'Bearer token-1')
})

function make(options: Partial<TokenSourceOptions> = {}): TokenSource {
  return createTokenSource({
    issuer,
    clientId: 'orders',
    clientSecret: 's3cr3t',
    clock: () => now,
    random: () => 0,
    // For a machine that is busy; no test waits for it.
    timeoutMs: 20_000,
    onEvent: (event) => events.push(event),
    ...options,
  })
}

function grant(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify({ access_token: `token-${requests}`, token_type: 'Bearer', expires_in: 300 }))
}

/** Makes the issuer wait with its next answers until the returned function is called. */
function hold(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  respond = (response) => void promise.then(() => grant(response))
  return resolve
}

function header(source: TokenSource): Promise<string> {
  return source.authHeader()
}

function told(index: number): unknown[] {
  const event = events[index]!
  return event.kind === 'failed' ? [event.kind, event.problem.code, event.stale] : [event.kind]
}

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 20_000
  while (!condition()) {
    assert.ok(Date.now() < end, 'it did not happen')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
