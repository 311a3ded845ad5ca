import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { generateSigningKey, verificationKey } from './key-readers.ts'
import type { SigningKey } from './key.ts'
import { createKeySet } from './key-set.ts'
import { createRevocationFeed } from './revocation-feed.ts'
import type { RevocationFeedOptions } from './revocation-feed.ts'
import { signRevocationList } from './revocation-list.ts'
import { createRevocations } from './revocations.ts'
import type { Revocation, Revocations } from './revocations.ts'
import { createSigner } from './signer.ts'
import { createVerifier } from './verifier.ts'

const server = createServer((request, response) => answer(request, response))
const key = generateSigningKey('ES256')
const keySet = createKeySet([verificationKey(key)])
let issuer = ''
let nowMs = 0
let answer: (request: IncomingMessage, response: ServerResponse) => void
let asked: (string | undefined)[] = []
let failures: string[] = []

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
after(() => server.close())
beforeEach(() => {
  nowMs = 1_800_000_000_000
  asked = []
  failures = []
  serve({ sequence: 1 })
})

type Served = {
  readonly sequence: number
  readonly revoked?: readonly string[]
  readonly keyIds?: readonly string[]
  readonly by?: SigningKey
  readonly about?: string
  readonly etag?: string
  readonly ageSeconds?: number
}

/** Publishes a list, and metadata that names it. */
function serve({
  sequence,
  revoked = [],
  keyIds = [],
  by = key,
  about = issuer,
  etag,
  ageSeconds = 0,
}: Served): void {
  const untilSeconds = 1_900_000_000
  const issuedAtSeconds = nowMs / 1000 - ageSeconds
  const revocations: Revocation[] = [
    ...revoked.map((tokenId) => ({ issuer: about, tokenId, untilSeconds })),
    ...keyIds.map((keyId) => ({ issuer: about, keyId, untilSeconds })),
  ]
  const expiresAtSeconds = issuedAtSeconds + 300
  const list = signRevocationList(
    { issuer: about, issuedAtSeconds, expiresAtSeconds, sequence, revocations },
    by,
  )
  answer = (request, response) => {
    if (request.url === '/.well-known/openid-configuration') {
      const metadata = { issuer, revocations_uri: `${issuer}/revocations` }
      return void response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify(metadata))
    }
    asked.push(request.headers['if-none-match'])
    if (etag !== undefined && request.headers['if-none-match'] === etag)
      return void response.writeHead(304).end()
    response.setHeader('content-type', 'application/revocations+jwt')
    if (etag !== undefined) response.setHeader('etag', etag)
    response.end(list)
  }
}

function follow(options: Partial<RevocationFeedOptions> = {}, limit?: number): Revocations {
  const onEvent: RevocationFeedOptions['onEvent'] = (event) => {
    if (event.kind === 'failed') failures.push(event.problem.message)
  }
  // The longest there is, for a machine that is busy; no test waits for it.
  const source = createRevocationFeed({ issuer, keySet, onEvent, timeoutMs: 9000, ...options })
  return createRevocations({ sources: [source], ...(limit === undefined ? {} : { limit }) })
}

async function refuses(revocations: Revocations, jti: string, iss = issuer): Promise<boolean> {
  const exp = nowMs / 1000 + 60
  const token = createSigner({ key }).sign({ iss, aud: 'billing', exp, jti })
  const verifier = createVerifier({
    issuer: iss,
    audience: 'billing',
    keySet,
    revocations,
    clock: () => nowMs,
  })
  return (await verifier.verify(token)).kind === 'denied'
}

test('finds the feed in the metadata, and refuses what it lists', async () => {
  serve({ sequence: 1, revoked: ['t1'] })
  const revocations = follow()
  assert.equal(await refuses(revocations, 't1'), true)
  assert.equal(await refuses(revocations, 't2'), false)
  assert.deepEqual([asked.length, failures.length], [1, 0])
})

test('asks at a URL that it is told, without metadata', async () => {
  serve({ sequence: 1, revoked: ['t1'] })
  const listed = answer
  answer = (request, response) => {
    assert.equal(request.url, '/list')
    listed(request, response)
  }
  assert.equal(await refuses(follow({ url: `${issuer}/list` }), 't1'), true)
})

test('what it has is confirmed by its ETag, and what is new is taken', async () => {
  serve({ sequence: 1, etag: '"1"' })
  const revocations = follow()
  assert.equal(await refuses(revocations, 't1'), false)
  nowMs += 60_000
  assert.equal(await refuses(revocations, 't1'), false)
  serve({ sequence: 2, revoked: ['t1'], etag: '"2"' })
  nowMs += 60_000
  assert.equal(await refuses(revocations, 't1'), true)
  assert.deepEqual(asked, [undefined, '"1"', '"1"'])
  assert.deepEqual(failures, [])
})

test('a list that is older than the last is refused, and what was revoked stays so', async () => {
  const revocations = follow()
  serve({ sequence: 7, revoked: ['t1'] })
  await refuses(revocations, 't1')
  serve({ sequence: 6, revoked: ['t2'] })
  nowMs += 60_000
  assert.equal(await refuses(revocations, 't1'), true)
  assert.equal(await refuses(revocations, 't2'), false)
  assert.match(failures[0]!, /list 6 is older than list 7/)
})

test('a list by another key, or about another issuer, or that has expired, is refused', async () => {
  for (const [served, why] of [
    [{ by: generateSigningKey('ES256') }, /signed by no key/],
    [{ by: generateSigningKey('ES256', { keyId: key.keyId }) }, /signature/],
    [{ about: 'https://login.example' }, /another issuer/],
    [{ ageSeconds: 360 }, /old one/],
  ] as const) {
    serve({ sequence: 1, revoked: ['t1'], ...served })
    failures = []
    assert.equal(await refuses(follow(), 't1'), false)
    assert.match(failures[0]!, why)
    await assert.rejects(refuses(follow({ staleAfterSeconds: 60 }), 't1'), {
      code: 'revocations-unavailable',
    })
  }
})

test('an issuer can refuse its own tokens only', async () => {
  const other = 'https://login.example'
  const revocations = createRevocations({ sources: [createRevocationFeed({ issuer, keySet })] })
  serve({ sequence: 1, revoked: ['t1'] })
  assert.equal(await refuses(revocations, 't1', other), false)
  assert.equal(await refuses(revocations, 't1'), true)
})

test('a key that the list revokes signs no later list', async () => {
  const next = generateSigningKey('ES256')
  const both = createKeySet([verificationKey(key), verificationKey(next)])
  const revocations = follow({ keySet: both })
  serve({ sequence: 1, keyIds: [key.keyId], by: next })
  await refuses(revocations, 't0')
  serve({ sequence: 2, revoked: ['t1'], by: key })
  nowMs += 60_000
  await refuses(revocations, 't1')
  assert.match(failures[0]!, /revoked/)
})

test('a 304 for a list that has expired is no answer', async () => {
  serve({ sequence: 1, etag: '"1"' })
  const revocations = follow({ staleAfterSeconds: 600 })
  await refuses(revocations, 't1')
  nowMs += 300_000
  await refuses(revocations, 't1')
  assert.match(failures[0]!, /304 for a list that has expired/)
  // The next one is asked for without the ETag.
  nowMs += 60_000
  serve({ sequence: 1, etag: '"1"' })
  await refuses(revocations, 't1')
  assert.deepEqual(asked, [undefined, '"1"', undefined])
})

test('who has no room for the whole list is not told that nothing has changed', async () => {
  serve({ sequence: 1, revoked: ['t1', 't2', 't3'], etag: '"1"' })
  const revocations = follow({}, 2)
  await refuses(revocations, 't1')
  nowMs += 60_000
  await refuses(revocations, 't1')
  assert.deepEqual(asked, [undefined, undefined])
  assert.deepEqual(failures, ['2 revocations are in force', '2 revocations are in force'])
})

test('answers that are too long, of another type, or none are failures', async () => {
  for (const [wrong, why] of [
    [(response: ServerResponse) => response.end('x'.repeat(8 * 1024 * 1024 + 1)), /longer than/],
    [
      (response: ServerResponse) => response.setHeader('content-type', 'text/html').end('<p>'),
      /another type/,
    ],
    [(response: ServerResponse) => response.writeHead(404).end(), /answered 404/],
    [(response: ServerResponse) => response.writeHead(304).end(), /answered 304/],
    [(response: ServerResponse) => response.destroy(), /cannot be reached/],
  ] as const) {
    answer = (_request, response) => void wrong(response)
    failures = []
    assert.equal(await refuses(follow({ url: `${issuer}/list` }), 't1'), false)
    assert.match(failures[0]!, why)
  }
})

test('an issuer without a feed says so', async () => {
  answer = (_request, response) => void response.end(JSON.stringify({ issuer }))
  await refuses(follow(), 't1')
  assert.match(failures[0]!, /no revocations_uri/)
})

test('options that make no sense are refused', () => {
  const good = { issuer: 'https://issuer.example', keySet }
  createRevocationFeed(good)
  for (const options of [
    { ...good, issuer: '' },
    { ...good, issuer: 'issuer.example' },
    { ...good, keySet: undefined },
    { ...good, url: 'nowhere' },
    { ...good, timeoutMs: 0 },
  ]) {
    assert.throws(() => createRevocationFeed(options as RevocationFeedOptions), { code: 'option-invalid' })
  }
  const misspelt = { ...good, staleAfter: 60 } as RevocationFeedOptions
  assert.throws(() => createRevocationFeed(misspelt), { code: 'option-unknown' })
})
