import { test } from 'node:test'
import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import type { RequestListener } from 'node:http'
import { createRemoteKeySet } from '@countersign/sdk/jwt'
import type { RemoteKeySetOptions } from '@countersign/sdk/jwt'
import { attack } from './attack.ts'
import { listen, replyJson, serveJson } from './loopback.ts'
import { accepts, pair, publicJwkOf, signed, verifierOf } from './stage.ts'

const own = pair('ES256')
const goodSet = { keys: [publicJwkOf(own)] }

test('the good answer passes', async (t) => {
  const home = await listen(
    t,
    serveJson(() => goodSet),
  )
  await accepts(verifierOf(setOf(home.origin), { issuer: home.origin }), signed(own, { iss: home.origin }))
})

attack(
  53,
  'key endpoints that redirect, use http:, point inside, send too much, too slowly or another type',
  async (t) => {
    const target = await listen(
      t,
      serveJson(() => goodSet),
    )
    const home = await listen(
      t,
      serveJson(() => goodSet),
    )
    for (const status of [301, 302, 303, 307, 308, 300]) {
      home.answer = (_, response) => response.writeHead(status, { location: `${target.origin}/jwks` }).end()
      await fails(home.origin, /answered 30/)
    }
    assert.equal(target.connections, 0)

    for (const [what, answer, message] of badAnswers) {
      home.answer = answer
      await fails(home.origin, message, {}, what)
    }

    const sent = { bytes: 0 }
    home.answer = (_, response) => flood(response, sent)
    await fails(home.origin, /longer than \d+ bytes/)
    assert.ok(sent.bytes < 32 << 20, `${sent.bytes} bytes were taken`)

    const started = performance.now()
    for (const slow of [dripping, silent, halfAHead]) {
      home.answer = slow
      await fails(home.origin, /no answer within 150 ms/, { timeoutMs: 150 })
    }
    // One of them never ends by itself; a machine that pauses takes seconds.
    assert.ok(performance.now() - started < 30_000)
  },
)

test('53. key endpoints on the way inside are not connected to', async (t) => {
  const trap = await listen(
    t,
    serveJson(() => goodSet),
  )
  const port = new URL(trap.origin).port
  // Settings that name such a place are refused when the keys are asked for, before anything is sent.
  for (const [jwksUri, message] of [
    ['http://issuer.example/jwks', /plain http/],
    ['http://10.0.0.1/jwks', /plain http/],
    ['https://10.0.0.1/jwks', /private address/],
    ['https://192.168.1.1/jwks', /private address/],
    ['https://[fd00::1]/jwks', /private address/],
    ['https://[::ffff:10.0.0.1]/jwks', /private address/],
    ['https://169.254.169.254/latest', /no address of an issuer/],
    ['https://2852039166/latest', /no address of an issuer/],
    ['https://0xa9.0xfe.0xa9.0xfe/latest', /no address of an issuer/],
    ['https://[fe80::1]/jwks', /no address of an issuer/],
    ['https://0.0.0.0/jwks', /no address of an issuer/],
    [`file:///etc/passwd`, /only https/],
    ['data:application/json,{"keys":[]}', /only https/],
    ['ftp://issuer.example/jwks', /only https/],
    ['https://user:password@issuer.example/jwks', /credentials/],
  ] as const) {
    await refusesToFetch({ issuer: 'https://issuer.example', jwksUri }, message)
  }
  // What the metadata of a trusted issuer says is no less the word of a stranger.
  const home = await listen(
    t,
    serveJson(() => metadata.document),
  )
  const metadata: { document: unknown } = { document: undefined }
  for (const [document, message] of [
    [{ jwks_uri: 'http://issuer.example/jwks' }, /plain http/],
    [{ jwks_uri: 'https://10.1.2.3/jwks' }, /private address/],
    [{ jwks_uri: 'https://169.254.169.254/latest/meta-data' }, /no address of an issuer/],
    [{ jwks_uri: 'file:///etc/passwd' }, /only https/],
    [{ jwks_uri: 7 }, /no jwks_uri/],
    [{}, /no jwks_uri/],
    [{ issuer: trap.origin, jwks_uri: `${trap.origin}/jwks` }, /describes another issuer/],
    [{ issuer: `http://127.0.0.1:${port}/x`, jwks_uri: `${trap.origin}/jwks` }, /describes another issuer/],
    [[], /describes another issuer/],
    [null, /not an object/],
  ] as const) {
    metadata.document =
      document === null || Array.isArray(document) ? document : { issuer: home.origin, ...document }
    await refusesToFetch({ issuer: home.origin }, message)
  }
  assert.equal(trap.connections, 0)
})

/** A set at `origin` whose answer is bad: nothing can be decided, which is a 503 and never an answer about the token. */
async function fails(
  origin: string,
  message: RegExp,
  options: Partial<RemoteKeySetOptions> = {},
  what = '',
): Promise<void> {
  const verifier = verifierOf(setOf(origin, options), { issuer: origin })
  await assert.rejects(verifier.verify(signed(own, { iss: origin })), (thrown: Error & { code?: string }) => {
    assert.equal(thrown.code, 'keys-unavailable', what)
    assert.match(thrown.message, message, what)
    return true
  })
}

async function refusesToFetch(options: RemoteKeySetOptions, message: RegExp): Promise<void> {
  const where = JSON.stringify(options.jwksUri)
  await assert.rejects(
    createRemoteKeySet(options).load(0),
    (thrown: Error & { code?: string; cause?: unknown }) => {
      assert.equal(thrown.code, 'keys-unavailable', where)
      assert.match(thrown.message, message, where)
      assert.doesNotMatch(thrown.message, /password@/)
      return true
    },
  )
}

function setOf(
  origin: string,
  options: Partial<RemoteKeySetOptions> = {},
): ReturnType<typeof createRemoteKeySet> {
  return createRemoteKeySet({ issuer: origin, jwksUri: `${origin}/jwks`, timeoutMs: 60_000, ...options })
}

const tooMany = {
  keys: Array.from({ length: 101 }, (_, index) => ({ ...goodSet.keys[0], kid: `k${index}` })),
}

const badAnswers: readonly (readonly [string, RequestListener, RegExp])[] = [
  ['a page', typed('text/html', '<script>'), /another type than JSON/],
  ['an upload', typed('text/plain', JSON.stringify(goodSet)), /another type than JSON/],
  ['an image', typed('image/svg+xml', JSON.stringify(goodSet)), /another type than JSON/],
  ['a script', typed('application/javascript', JSON.stringify(goodSet)), /another type than JSON/],
  ['no JSON', typed('application/json', '{"keys":['), /not JSON/],
  ['nothing', typed('application/json', ''), /not JSON/],
  ['a list', serveJson(() => goodSet.keys), /array "keys"/],
  ['no keys', serveJson(() => ({})), /array "keys"/],
  ['keys that are no list', serveJson(() => ({ keys: { 0: goodSet.keys[0], length: 1 } })), /array "keys"/],
  ['null', serveJson(() => null), /array "keys"/],
  ['too many keys', serveJson(() => tooMany), /more than 100 keys/],
  [
    'two of one kid',
    serveJson(() => ({ keys: [...goodSet.keys, ...goodSet.keys] })),
    /two keys have one "kid"/,
  ],
  ['a private key', serveJson(() => ({ keys: [{ ...goodSet.keys[0], d: 'AA' }] })), /secret or private key/],
  ['a failure', (_, response) => void response.writeHead(500).end('{"keys":[]}'), /answered 500/],
  ['nothing new', (_, response) => void response.writeHead(304).end(), /answered 304/],
  ['no content', (_, response) => void response.writeHead(204).end(), /answered 204/],
  ['a bomb', bomb, /not JSON|longer than/],
  ['a cut answer', cut, /broke off|cannot be reached/],
]

function typed(type: string, body: string): RequestListener {
  return (_, response) => void response.writeHead(200, { 'content-type': type }).end(body)
}

/** 64 MB of white space and a good set, in 64 kB: whoever unpacks it unasked holds all of it. */
function bomb(...[, response]: Parameters<RequestListener>): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(packed)
}

// Made beforehand: packing takes long, and the time for an answer is running.
const packed = gzipSync(Buffer.concat([Buffer.alloc(64 << 20, ' '), Buffer.from(JSON.stringify(goodSet))]))

function cut(...[, response]: Parameters<RequestListener>): void {
  const body = JSON.stringify(goodSet)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length + 10 })
  response.write(body)
  setTimeout(() => response.destroy(), 10)
}

function flood(response: Parameters<RequestListener>[1], sent: { bytes: number }): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  const chunk = Buffer.alloc(64 << 10, ' ')
  const pour = (): void => {
    while (!response.destroyed && sent.bytes < 100 << 20) {
      sent.bytes += chunk.length
      if (!response.write(chunk)) return void response.once('drain', pour)
    }
  }
  pour()
}

function dripping(...[, response]: Parameters<RequestListener>): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  const timer = setInterval(() => response.write(' '), 10)
  response.once('close', () => clearInterval(timer))
}

function silent(): void {}

function halfAHead(...[, response]: Parameters<RequestListener>): void {
  response.socket?.write('HTTP/1.1 200 OK\r\nContent-Ty')
}

test('53. what a good endpoint may say: other types of JSON, parameters, no type', async (t) => {
  const home = await listen(t, (_, response) => replyJson(response, goodSet))
  for (const type of ['application/jwk-set+json', 'application/json; charset=utf-8', undefined]) {
    home.answer = (_, response) => {
      if (type !== undefined) response.setHeader('content-type', type)
      response.end(JSON.stringify(goodSet))
    }
    await accepts(verifierOf(setOf(home.origin), { issuer: home.origin }), signed(own, { iss: home.origin }))
  }
})
