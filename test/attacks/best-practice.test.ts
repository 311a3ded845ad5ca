import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createPublicKey, randomBytes, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as jwt from '@countersign/sdk/jwt'
import {
  createKeySet,
  createRemoteKeySet,
  createRevocations,
  createVerifier,
  readJwk,
} from '@countersign/sdk/jwt'
import type { VerificationKey } from '@countersign/sdk/jwt'
import { attack } from './attack.ts'
import { listen, replyStatus, serveJson } from './loopback.ts'
import {
  accepts,
  audience,
  claims,
  encode,
  forge,
  issuer,
  now,
  nowMs,
  pair,
  publicJwkOf,
  refuses,
  refusesToMake,
  scene,
  signed,
  signedBy,
  verificationKeyOf,
  verifierOf,
} from './stage.ts'

// What a first-in-class verifier would do, each as a test of its own.

test('the honest token passes', async () => {
  const { verifier, honest } = scene()
  await accepts(verifier, honest)
})

attack(60, 'verifying is synchronous, and a key is imported once', async () => {
  const own = pair('ES256')
  const [kept] = [verificationKeyOf(own)]
  const keySet = createKeySet([kept])
  const verifier = verifierOf(keySet)
  const first = verifier.verifyNow(signed(own))
  assert.ok(first !== undefined && !('then' in first))
  assert.equal(first.kind, 'verified')
  // The same key read again, as after each fetch: the object that was imported first goes on serving.
  keySet.replace([verificationKeyOf(own), verificationKeyOf(pair('ES256', 'other'))])
  assert.equal(keySet.keys[0], kept)
  assert.equal(verifier.verifyNow(signed(own, { jti: 'token-2' }))?.kind, 'verified')
})

attack(61, 'the algorithm belongs to the key, never to the token', async () => {
  const own = pair('RS256')
  const key = verificationKeyOf(own)
  assert.ok(Object.isFrozen(key))
  assert.throws(() => Object.assign(key, { algorithm: 'HS256' }), TypeError)
  const verifier = verifierOf(createKeySet([key]))
  await accepts(verifier, signed(own))
  for (const alg of jwt.supportedAlgorithms().filter((name) => name !== own.alg)) {
    const as = alg.startsWith('RS') || alg.startsWith('PS') ? alg : own.alg
    await refuses(
      verifier,
      forge({ alg, typ: 'at+jwt', kid: own.kid }, claims(), signedBy(own, as)),
      'algorithm-mismatch',
    )
  }
  // A hand-made look-alike is no key.
  const lookAlike = { algorithm: 'RS256', keyId: own.kid, verifies: () => true } as unknown as VerificationKey
  refusesToMake(() => createKeySet([lookAlike]), 'key-invalid')
  refusesToMake(() => createKeySet([Object.create(key) as VerificationKey]), 'key-invalid')
})

attack(62, 'r‖s becomes DER without changing what verifies', async () => {
  for (const [alg, width] of [
    ['ES256', 32],
    ['ES384', 48],
    ['ES512', 66],
  ] as const) {
    const { own, verifier } = scene(alg)
    const key = createPublicKey(own.key)
    const input = `${encode({ alg, typ: 'at+jwt', kid: own.kid })}.${encode(claims())}`
    const good = Buffer.from(signedBy(own, alg)(input))
    const tried = [good]
    for (let round = 0; round < 60; round++) tried.push(Buffer.from(signedBy(own, alg)(input)))
    for (let round = 0; round < 40; round++) {
      const odd = Buffer.from(good)
      odd[randomBytes(1)[0]! % odd.length]! ^= 1 << (round % 8)
      tried.push(odd, randomBytes(width * 2))
      // Leading zeros and set first bits are where the two forms differ.
      tried.push(Buffer.concat([Buffer.alloc(round % width), randomBytes(width * 2 - (round % width))]))
      tried.push(
        Buffer.concat([
          good.subarray(0, width),
          Buffer.alloc(round % width),
          randomBytes(width - (round % width)),
        ]),
      )
    }
    let verified = 0
    for (const bytes of tried) {
      const expected = verify(
        `sha${alg.slice(2)}`,
        Buffer.from(input),
        { key, dsaEncoding: 'ieee-p1363' },
        bytes,
      )
      const outcome = verifier.verifyNow(`${input}.${bytes.toString('base64url')}`)
      assert.equal(outcome?.kind === 'verified', expected, bytes.toString('hex'))
      if (expected) verified++
    }
    assert.ok(verified >= 61 && verified < tried.length)
  }
})

attack(63, 'everything is strict with no option set', async () => {
  const own = pair('ES256')
  // The clock alone is set besides the required three: these tokens live at a time that stands still.
  const verifier = createVerifier({
    issuer,
    audience,
    keySet: createKeySet([verificationKeyOf(own)]),
    clock: () => nowMs,
  })
  const honest = signed(own)
  await accepts(verifier, honest)
  const segments = honest.split('.')
  const last = segments[2]!.at(-1)!
  const loose = String.fromCharCode(last.charCodeAt(0) + 1)
  const text = JSON.stringify(claims()).slice(1, -1)
  for (const [token, reason] of [
    [segments.with(2, segments[2]!.slice(0, -1) + loose).join('.'), 'signature-invalid'],
    [`${honest}=`, 'signature-invalid'],
    [signed(own, { note: 'x'.repeat(20_000) }), 'token-oversize'],
    [signed(own, `{${text},"x":${'['.repeat(40)}${']'.repeat(40)}}`), 'token-malformed'],
    [signed(own, `{${text},"sub":"admin"}`), 'token-malformed'],
    [signed(own, {}, { crit: ['x'], x: 1 }), 'critical-unknown'],
    [signed(own, `{${text.replace(/"exp":\d+/, '"exp":1e999')}}`), 'token-malformed'],
    [signed(own, { exp: 1e300 }), 'claim-malformed'],
    [signed(own, { exp: undefined }), 'claim-missing'],
    [signed(own, { exp: now - 6 }), 'token-expired'],
    [signed(own, { nbf: now + 6 }), 'token-premature'],
    [signed(own, { iat: now + 6 }), 'token-premature'],
    [signed(own, { iss: undefined }), 'issuer-mismatch'],
    [signed(own, { aud: undefined }), 'audience-mismatch'],
    [signed(own, {}, { typ: undefined }), 'type-mismatch'],
    [signed(own, {}, { typ: 'JWT' }), 'type-mismatch'],
  ] as const) {
    await refuses(verifier, token, reason)
  }
  for (const missing of ['issuer', 'audience', 'keySet']) {
    refusesToMake(() => verifierOf(createKeySet([]), { [missing]: undefined }), 'option-invalid')
  }
  refusesToMake(() => verifierOf(createKeySet([]), { audience: /billing/ }), 'option-invalid')
})

attack(64, 'what is given out has no prototype and cannot be changed', async () => {
  const { own, verifier } = scene()
  const token = signed(
    own,
    { act: { sub: 'web', act: { sub: 'a' } }, list: [{ a: [1] }], scope: 'a b' },
    { x: { y: [1] } },
  )
  const verification = verifier.verifyNow(token)
  assert.ok(verification?.kind === 'verified')
  const given = verification.token
  const seen = new Set<unknown>()
  for (const value of [verification, given, given.claims, given.header, given.scopes, given.audience])
    walk(value, seen)
  assert.ok(seen.size >= 12)
  for (const value of [given.claims, given.header]) assert.equal(Object.getPrototypeOf(value), null)
  assert.equal(given.claims['toString'], undefined)
  assert.equal(given.claims['constructor'], undefined)

  function walk(value: unknown, seen: Set<unknown>): void {
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    assert.ok(Object.isFrozen(value))
    for (const inner of Object.values(value)) walk(inner, seen)
  }
})

attack(
  65,
  'the cache is keyed by the whole token and bound to keys, policy, exp and revocations',
  async () => {
    const { own, honest } = scene()
    const time = { ms: nowMs }
    const untilSeconds = now + 300
    for (const revocation of [
      { issuer, untilSeconds, tokenId: 'token-1' },
      { issuer, untilSeconds, subject: 'orders', issuedBeforeSeconds: now },
      { issuer, untilSeconds, clientId: 'orders', issuedBeforeSeconds: now },
      { issuer, untilSeconds, keyId: own.kid },
    ]) {
      const revocations = createRevocations()
      const verifier = verifierOf(createKeySet([verificationKeyOf(own)]), { revocations })
      await accepts(verifier, honest)
      revocations.revoke({ ...revocation, issuer: 'https://other.example' })
      await accepts(verifier, honest)
      revocations.revoke(revocation)
      await refuses(verifier, honest, 'token-revoked')
    }
    const keySet = createKeySet([verificationKeyOf(own)])
    const verifier = verifierOf(keySet, { clock: () => time.ms, clockToleranceSeconds: 0 })
    // Without iat, which is where others forgot exp.
    const short = signed(own, { iat: undefined, nbf: now - 1, exp: now + 1 })
    for (const [ms, reason] of [
      [nowMs, undefined],
      [nowMs + 999, undefined],
      [nowMs + 1000, 'token-expired'],
      [nowMs, undefined],
      [nowMs - 1001, 'token-premature'],
    ] as const) {
      time.ms = ms
      if (reason === undefined) await accepts(verifier, short)
      else await refuses(verifier, short, reason)
    }
    time.ms = nowMs
    await accepts(verifier, honest)
    // The same text but for one character, in each segment.
    for (let at = 0; at < honest.length; at += 7) {
      const twin = honest.slice(0, at) + (honest[at] === 'A' ? 'B' : 'A') + honest.slice(at + 1)
      if (twin !== honest) assert.equal(verifier.verifyNow(twin)?.kind, 'denied')
    }
    keySet.replace([])
    await refuses(verifier, honest, 'key-unknown')
  },
)

attack(
  66,
  'keys are renewed before they end, by the Cache-Control of the endpoint, in the background',
  async (t) => {
    const [own, next] = [pair('ES256'), pair('ES256', 'next')]
    const keys = { now: [publicJwkOf(own)] }
    const home = await listen(
      t,
      serveJson(() => ({ keys: keys.now }), { 'cache-control': 'public, max-age=100' }),
    )
    const time = { ms: nowMs }
    const keySet = createRemoteKeySet({ issuer: home.origin, jwksUri: `${home.origin}/jwks` })
    const verifier = verifierOf(keySet, { issuer: home.origin, clock: () => time.ms })
    const token = signed(own, { iss: home.origin })
    await verifier.warm()
    assert.equal(verifier.verifyNow(token)?.kind, 'verified')
    time.ms += 79_999
    assert.equal(verifier.verifyNow(token)?.kind, 'verified')
    assert.equal(home.requests.length, 1)
    keys.now.push(publicJwkOf(next))
    time.ms += 1
    // This one starts the renewal and does not wait for it.
    assert.equal(verifier.verifyNow(token)?.kind, 'verified')
    await keySet.load(time.ms)
    assert.equal(home.requests.length, 2)
    assert.equal(verifier.verifyNow(signed(next, { iss: home.origin }))?.kind, 'verified')
  },
)

attack(67, 'a failing endpoint is survived up to a hard ceiling', async (t) => {
  const own = pair('ES256')
  const serve = serveJson(() => ({ keys: [publicJwkOf(own)] }), { 'cache-control': 'max-age=100' })
  const home = await listen(t, serve)
  const time = { ms: nowMs }
  const keySet = createRemoteKeySet({
    issuer: home.origin,
    jwksUri: `${home.origin}/jwks`,
    staleIfErrorSeconds: 50,
  })
  const verifier = verifierOf(keySet, { issuer: home.origin, clock: () => time.ms })
  const token = signed(own, { iss: home.origin, exp: now + 1000 })
  await accepts(verifier, token)
  home.answer = (_, response) => replyStatus(response, 503)
  for (let second = 0; second < 149; second += 10) {
    time.ms = nowMs + second * 1000
    await accepts(verifier, token)
  }
  time.ms = nowMs + 149_999
  await accepts(verifier, token)
  time.ms = nowMs + 150_000
  await assert.rejects(verifier.verify(token), { code: 'keys-unavailable' })
  home.answer = serve
  time.ms += 30_000
  await accepts(verifier, token)
})

attack(68, 'one fetch for all who wait, and a waiting time after a kid that nobody has', async (t) => {
  const own = pair('ES256')
  const home = await listen(
    t,
    serveJson(() => ({ keys: [publicJwkOf(own)] })),
  )
  const keySet = createRemoteKeySet({ issuer: home.origin, jwksUri: `${home.origin}/jwks` })
  const time = { ms: nowMs }
  const verifier = verifierOf(keySet, { issuer: home.origin, clock: () => time.ms })
  const crowd = Array.from({ length: 1000 }, (_, index) => index)
  const tokens = crowd.map((index) =>
    index % 50 === 0 ? signed(own, { iss: home.origin, jti: `${index}` }) : '',
  )
  const token = signed(own, { iss: home.origin })
  const answers = await Promise.all(crowd.map((index) => verifier.verify(tokens[index] || token)))
  assert.ok(answers.every(({ kind }) => kind === 'verified'))
  assert.equal(home.requests.length, 1)
  const stranger = (kid: string): string => signed(own, { iss: home.origin }, { kid })
  await refuses(verifier, stranger('a'), 'key-unknown')
  const after = home.requests.length
  for (let round = 0; round < 200; round++) {
    time.ms += 100
    await refuses(verifier, stranger(`kid-${round}`), 'key-unknown')
  }
  assert.equal(home.requests.length, after)
  time.ms += 30_000
  await refuses(verifier, stranger('b'), 'key-unknown')
  assert.equal(home.requests.length, after + 1)
})

attack(69, 'fetched keys are bound to their issuer', async (t) => {
  const own = pair('ES256')
  const home = await listen(t, (request, response) =>
    serveJson(() =>
      request.url === '/jwks'
        ? { keys: [publicJwkOf(own)] }
        : { issuer: `${home.origin}${claimed.path}`, jwks_uri: `${home.origin}/jwks` },
    )(request, response),
  )
  const claimed = { path: '' }
  const keySet = createRemoteKeySet({ issuer: home.origin })
  await accepts(verifierOf(keySet, { issuer: home.origin }), signed(own, { iss: home.origin }))
  refusesToMake(() => verifierOf(keySet, { issuer: `${home.origin}/` }), 'option-invalid')
  refusesToMake(() => verifierOf(keySet, { issuer: 'https://other.example' }), 'option-invalid')
  for (const path of ['/', '/tenant', '#', '?']) {
    claimed.path = path
    await assert.rejects(createRemoteKeySet({ issuer: home.origin }).refresh(), {
      code: 'keys-unavailable',
      message: /describes another issuer/,
    })
  }
})

attack(70, 'one class of error, with documented codes', async () => {
  const documented = new Set(
    [
      ...readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8').matchAll(/^\| `([a-z-]+)`/gm),
    ].map((match) => match[1]!),
  )
  const odd: unknown[] = [
    undefined,
    null,
    '',
    'x',
    0,
    Number.NaN,
    true,
    [],
    {},
    [[]],
    () => {},
    Symbol('x'),
    /x/,
    7n,
  ]
  odd.push(
    { kty: 'constructor' },
    { kty: 'RSA', n: 'AQ', e: 'AQ', alg: 'RS256' },
    { keys: odd },
    Object.create(null),
  )
  odd.push({ algorithm: 'ES256' }, { key: {} }, { issuer, audience }, { kty: 'oct', k: 'AA', alg: 'HS256' })
  let refused = 0
  const wrong = new Set<string>()
  for (const [name, given] of Object.entries(jwt)) {
    if (typeof given !== 'function' || mayThrowAnything.has(name)) continue
    for (const first of odd) {
      for (const second of odd) {
        try {
          const made = (given as unknown as (...all: unknown[]) => unknown)(first, second)
          if (made instanceof Promise) await made
        } catch (thrown) {
          refused++
          const { code, message, name: kind } = thrown as Error & { code?: string }
          if (kind !== 'Problem' || !documented.has(code!)) wrong.add(`${name}: ${kind} ${code} ${message}`)
        }
      }
    }
  }
  assert.deepEqual([...wrong], [])
  assert.ok(refused > 1000)
  refusesToMake(() => readJwk(publicJwkOf({ ...pair('ES256'), alg: 'ES999' })), 'key-invalid')
})

/** Takes the keys that our own readers made and nothing else, so there is nothing to read in them. */
const mayThrowAnything = new Set(['publicJwk', 'privateJwk', 'verificationKey'])
