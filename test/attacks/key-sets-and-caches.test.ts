import { test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  createKeySet,
  createRemoteKeySet,
  createRevocations,
  createVerifier,
  readSecretKey,
} from '@countersign/sdk/jwt'
import type { RemoteKeySet, RemoteKeySetOptions, Verification, Verifier } from '@countersign/sdk/jwt'
import { Secret } from '@countersign/sdk/core'
import { attack } from './attack.ts'
import { listen, replyStatus, serveJson } from './loopback.ts'
import type { Listener } from './loopback.ts'
import {
  accepts,
  audience,
  claims,
  forge,
  issuer,
  macWith,
  now,
  nowMs,
  pair,
  publicJwkOf,
  refuses,
  refusesToMake,
  scene,
  signed,
  verificationKeyOf,
  verifierOf,
} from './stage.ts'

/** A verifier whose keys come from `home`, at a time that moves by hand. */
function remoteOf(home: Listener, options: Partial<RemoteKeySetOptions> = {}): Remote {
  const time = { ms: nowMs }
  const keySet = createRemoteKeySet({ issuer: home.origin, jwksUri: `${home.origin}/jwks`, ...options })
  const verifier = verifierOf(keySet, { issuer: home.origin, clock: () => time.ms })
  const far = { iss: home.origin, exp: now + 100_000 }
  return { keySet, verifier, time, honest: (changes = {}) => signed(pair('ES256'), { ...far, ...changes }) }
}

type Remote = {
  readonly keySet: RemoteKeySet
  readonly verifier: Verifier
  readonly time: { ms: number }
  readonly honest: (changes?: Record<string, unknown>) => string
}

function kidOf(verifier: Verifier, home: Listener, kid: string): Promise<Verification> {
  return verifier.verify(signed(pair('ES256', 'attacker'), { iss: home.origin }, { kid }))
}

async function unavailable(asked: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(asked, (thrown: Error & { code?: string; retryAfterSeconds?: number }) => {
    assert.equal(thrown.code, 'keys-unavailable', thrown.message)
    assert.match(thrown.message, message)
    assert.ok(thrown.retryAfterSeconds! >= 1)
    return true
  })
}

test('an honest token passes with keys that are fetched, found by discovery too', async (t) => {
  const own = pair('ES256')
  const home = await listen(
    t,
    serveJson(() => ({ keys: [publicJwkOf(own)] })),
  )
  await accepts(remoteOf(home).verifier, remoteOf(home).honest())
  const documents = (url: string): unknown =>
    url === '/jwks' ? { keys: [publicJwkOf(own)] } : { issuer: home.origin, jwks_uri: `${home.origin}/jwks` }
  home.answer = (request, response) => serveJson(() => documents(request.url!))(request, response)
  const discovered = verifierOf(createRemoteKeySet({ issuer: home.origin }), { issuer: home.origin })
  await accepts(discovered, remoteOf(home).honest())
  assert.deepEqual(home.requests, ['GET /jwks', 'GET /.well-known/openid-configuration', 'GET /jwks'])
})

attack(48, 'a delimiter inside kid reaches another issuer’s cache entry', async () => {
  const [a, b] = ['https://a.example', 'https://b.example']
  const [x, y] = [pair('ES256', 'x'), pair('ES256', 'y')]
  const revocations = createRevocations()
  const both = createVerifier({
    issuers: [
      { issuer: a, audience, keySet: createKeySet([verificationKeyOf(x)]) },
      { issuer: b, audience, keySet: createKeySet([verificationKeyOf(y)]) },
      { issuer: `${a}:x`, audience, keySet: createKeySet([verificationKeyOf(y)]) },
    ],
    revocations,
    clock: () => nowMs,
  })
  await accepts(both, signed(x, { iss: a }))
  await accepts(both, signed(y, { iss: b }))
  for (const kid of [`y:${b}`, `${b}:y`, `ES256:y:${b}`, `y\u0001${b}`, `x:${b}/`, 'y', `["${b}","y"]`]) {
    await refuses(both, signed(y, { iss: a }, { kid }), 'key-unknown')
  }
  // The same trick on the list of what is revoked: two pairs that join to one text are still two.
  await accepts(both, signed(y, { iss: `${a}:x`, jti: 'y' }))
  revocations.revoke({ issuer: a, tokenId: 'x:y', untilSeconds: now + 300 })
  revocations.revoke({ issuer: a, subject: 'jti', issuedBeforeSeconds: now + 1, untilSeconds: now + 300 })
  await accepts(both, signed(y, { iss: `${a}:x`, jti: 'y' }))
  await refuses(both, signed(x, { iss: a, jti: 'x:y' }), 'token-revoked')
})

attack(49, 'two issuers, one kid', async () => {
  const [a, b] = ['https://a.example', 'https://b.example']
  const [x, y] = [pair('ES256', 'one'), { ...pair('ES256', 'two'), kid: 'one' }]
  const both = createVerifier({
    issuers: [
      { issuer: a, audience, keySet: createKeySet([verificationKeyOf(x)]) },
      { issuer: b, audience, keySet: createKeySet([verificationKeyOf(y)]) },
    ],
    clock: () => nowMs,
  })
  for (let round = 0; round < 2; round++) {
    await accepts(both, signed(x, { iss: a }))
    await accepts(both, signed(y, { iss: b }))
    await refuses(both, signed(y, { iss: a }), 'signature-invalid')
    await refuses(both, signed(x, { iss: b }), 'signature-invalid')
  }
  // The keys that were fetched for one cannot be handed to the other by a slip in the settings.
  const keySet = createRemoteKeySet({ issuer: a })
  refusesToMake(() => createVerifier({ issuer: b, audience, keySet }), 'option-invalid')
})

attack(50, 'the token’s issuer chooses where keys are fetched', async (t) => {
  const theirs = pair('ES256', 'attacker')
  const trap = await listen(
    t,
    serveJson(() => ({ issuer: trap.origin, jwks_uri: trap.origin, keys: [publicJwkOf(theirs)] })),
  )
  const home = await listen(
    t,
    serveJson(() => ({ keys: [publicJwkOf(pair('ES256'))] })),
  )
  const { verifier, honest } = remoteOf(home)
  await accepts(verifier, honest())
  for (const iss of [
    trap.origin,
    `${trap.origin}/`,
    `${home.origin}@${trap.origin.slice(7)}`,
    `${home.origin}/../`,
    `${home.origin}.evil.example`,
    [home.origin, trap.origin],
    undefined,
  ]) {
    await refuses(verifier, signed(theirs, { iss }), 'issuer-mismatch')
    await refuses(
      verifier,
      signed(theirs, { iss, jwks_uri: trap.origin, jku: trap.origin }),
      'issuer-mismatch',
    )
  }
  assert.equal(trap.connections, 0)
  assert.equal(home.requests.length, 1)
})

attack(51, 'a flood of unknown kids while the key endpoint is down', async (t) => {
  const own = pair('ES256')
  const serve = serveJson(() => ({ keys: [publicJwkOf(own)] }), { 'cache-control': 'max-age=3600' })
  const home = await listen(t, serve)
  const { verifier, time, honest } = remoteOf(home)
  await accepts(verifier, honest())

  // While it is up: one fetch for a thousand made-up kids, and none for those of the next half minute.
  const before = home.requests.length
  const answers = await Promise.all(
    Array.from({ length: 1000 }, (_, index) => kidOf(verifier, home, `up-${index}`)),
  )
  for (const answer of answers) assert.equal(answer.kind === 'denied' && answer.denial.reason, 'key-unknown')
  assert.ok(home.requests.length - before <= 2, `${home.requests.length - before} fetches`)
  time.ms += 29_000
  for (let index = 0; index < 100; index++) await kidOf(verifier, home, `next-${index}`)
  assert.ok(home.requests.length - before <= 2, `${home.requests.length - before} fetches`)

  // While it is down: a fetch now and then, a 503 for those who cannot be told apart from a new key, and the old keys
  // go on serving.
  time.ms += 60_000
  home.answer = (_, response) => replyStatus(response, 503)
  const down = home.requests.length
  for (let second = 0; second < 60; second++) {
    const flood = Array.from({ length: 17 }, (_, index) => kidOf(verifier, home, `down-${second}-${index}`))
    for (const { status } of await Promise.allSettled(flood)) assert.equal(status, 'rejected')
    await accepts(verifier, honest())
    await accepts(verifier, honest({ jti: `new-${second}` }))
    time.ms += 1000
  }
  assert.ok(home.requests.length - down <= 8, `${home.requests.length - down} fetches in a minute`)

  home.answer = serve
  time.ms += 30_000
  assert.equal((await kidOf(verifier, home, 'again')).kind, 'denied')
  await accepts(verifier, honest())
})

attack(52, 'a removed key goes on being trusted', async (t) => {
  const [own, other] = [pair('ES256'), pair('ES256', 'other')]
  const local = createKeySet([verificationKeyOf(own), verificationKeyOf(other)])
  const verifier = verifierOf(local)
  await accepts(verifier, signed(own))
  await accepts(verifier, signed(other))
  local.replace([verificationKeyOf(other)])
  await refuses(verifier, signed(own), 'key-unknown')
  await accepts(verifier, signed(other))
  // Another key under the old name is another key.
  local.replace([verificationKeyOf({ ...pair('ES256', 'third'), kid: own.kid }), verificationKeyOf(other)])
  await refuses(verifier, signed(own), 'signature-invalid')

  const keys = { now: [publicJwkOf(own), publicJwkOf(other)] }
  const home = await listen(
    t,
    serveJson(() => ({ keys: keys.now }), { 'cache-control': 'max-age=100' }),
  )
  for (const wait of [80_000, 99_999, 100_000, 100_001, 4_000_000]) {
    keys.now = [publicJwkOf(own), publicJwkOf(other)]
    const remote = remoteOf(home)
    const token = remote.honest()
    await accepts(remote.verifier, token)
    keys.now = [publicJwkOf(other)]
    remote.time.ms += wait
    // Up to the end of its life the set answers at once and renews itself behind the scenes.
    remote.verifier.verifyNow(token)
    await remote.keySet.load(remote.time.ms)
    await refuses(remote.verifier, token, 'key-unknown')
  }

  // However long the reply may be kept by its own word, and however long the endpoint has been failing.
  keys.now = [publicJwkOf(own)]
  home.answer = serveJson(() => ({ keys: keys.now }), { 'cache-control': 'max-age=31536000, immutable' })
  const bounded = remoteOf(home, { maxTtlSeconds: 300, staleIfErrorSeconds: 100 })
  const token = bounded.honest()
  await accepts(bounded.verifier, token)
  keys.now = []
  bounded.time.ms += 300_000
  await refuses(bounded.verifier, token, 'key-unknown')

  keys.now = [publicJwkOf(own)]
  const stale = remoteOf(home, { maxTtlSeconds: 300, staleIfErrorSeconds: 100 })
  await accepts(stale.verifier, token)
  home.answer = (_, response) => replyStatus(response, 500)
  stale.time.ms += 399_999
  await accepts(stale.verifier, token)
  stale.time.ms += 1
  await unavailable(stale.verifier.verify(token), /answered 500/)
  assert.equal(stale.verifier.verifyNow(token), undefined)
})

attack(54, 'a cache that answers for another token, or outlives exp, nbf, key or policy', async () => {
  const { own, keySet, verifier, honest } = scene()
  await accepts(verifier, honest)
  const [first, again] = [verifier.verifyNow(honest), verifier.verifyNow(honest)]
  assert.equal(first, again)
  assert.ok(first?.kind === 'verified' && Object.isFrozen(first) && Object.isFrozen(first.token))
  assert.throws(() => Object.assign(first.token.claims, { admin: true }), TypeError)
  assert.throws(() => Object.assign(first.token, { admin: true }), TypeError)
  assert.throws(() => (first.token.scopes as string[]).push('admin'), TypeError)
  assert.throws(() => (first.token.audience as string[]).push('admin'), TypeError)
  // What one caller keeps of a denial does not change what the next one is told.
  const unknown = verifier.verifyNow(signed(own, {}, { kid: 'nobody' }))
  assert.ok(unknown?.kind === 'denied')
  assert.throws(() => Object.assign(unknown.denial, { reason: 'token-expired' }), TypeError)
  await refuses(verifier, signed(own, {}, { kid: 'nobody' }), 'key-unknown')
  // Another policy over the same keys has a memory of its own.
  await refuses(verifierOf(keySet, { audience: 'other' }), honest, 'audience-mismatch')
  await accepts(verifier, honest)

  fc.assert(
    fc.property(
      fc.array(step, { minLength: 5, maxLength: 40 }),
      fc.integer({ min: 1, max: 8 }),
      (steps, entries) => {
        const cached = history({ entries })
        const plain = history(false)
        for (const one of steps) assert.deepEqual(cached(one), plain(one))
      },
    ),
    { numRuns: 300 },
  )
})

const secrets = ['a', 'b', 'c'].map((kid) => ({ kid, bytes: Buffer.alloc(32, kid) }))
// Few, so that a history comes back to one that it has seen.
const tokens = [
  ...secrets
    .slice(0, 2)
    .flatMap(({ kid, bytes }) =>
      [
        { exp: now + 3 },
        { nbf: now + 4, sub: 'web', jti: 'token-2' },
        { iat: now + 8, exp: now + 20 },
        {},
      ].map((changes) => forge({ alg: 'HS256', typ: 'at+jwt', kid }, claims(changes), macWith(bytes))),
    ),
  forge({ alg: 'HS256', typ: 'at+jwt', kid: 'a' }, claims(), macWith('not the secret')),
  forge({ alg: 'HS256', typ: 'at+jwt', kid: 'c' }, claims({ aud: 'other' }), macWith(secrets[2]!.bytes)),
]

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('verify' as const), token: fc.nat(tokens.length - 1) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: -9000, max: 9000 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('keys' as const), mask: fc.nat(7), swap: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('revoke' as const), what: fc.nat(3), which: fc.nat(2) }),
  },
)

type Step = typeof step extends fc.Arbitrary<infer One> ? One : never

/** Plays steps on a verifier of its own; gives what can be seen from outside after each. */
function history(cache: { entries: number } | false): (one: Step) => unknown {
  const time = { ms: nowMs }
  const keySet = createKeySet(
    secrets.map(({ kid, bytes }) => readSecretKey(new Secret(bytes), { algorithm: 'HS256', keyId: kid })),
  )
  const revocations = createRevocations()
  const verifier = createVerifier({ issuer, audience, keySet, revocations, cache, clock: () => time.ms })
  return (one) => {
    if (one.kind === 'time') time.ms += one.ms
    else if (one.kind === 'keys') {
      const chosen = secrets.filter((_, index) => one.mask & (1 << index))
      keySet.replace(
        chosen.map(({ kid, bytes }, index) =>
          readSecretKey(new Secret(one.swap && index === 0 ? Buffer.alloc(32, 'z') : bytes), {
            algorithm: 'HS256',
            keyId: kid,
          }),
        ),
      )
    } else if (one.kind === 'revoke') {
      const untilSeconds = now + 300
      const issuedBeforeSeconds = now - 11 + one.which
      revocations.revoke(
        [
          { issuer, untilSeconds, tokenId: ['token-1', 'token-2', 'token-3'][one.which]! },
          { issuer, untilSeconds, subject: 'web', issuedBeforeSeconds },
          { issuer, untilSeconds, clientId: 'orders', issuedBeforeSeconds },
          { issuer, untilSeconds, keyId: ['a', 'b', 'nobody'][one.which]! },
        ][one.what]!,
        time.ms,
      )
    } else {
      const verification = verifier.verifyNow(tokens[one.token]!)
      return verification?.kind === 'verified' ? { ...verification.token.claims } : verification
    }
    return undefined
  }
}
