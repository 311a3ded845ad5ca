import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateSigningKey, publicJwk, readJwk, verificationKey } from './key-readers.ts'
import type { SigningKey, VerificationKey } from './key.ts'
import { createKeySet } from './key-set.ts'
import type { KeySet } from './key-set.ts'
import { createRevocations } from './revocations.ts'
import { createSigner } from './signer.ts'
import { dangerouslyAnyAudience, dangerouslyAnyType } from './verifier-options.ts'
import { createVerifier } from './verifier.ts'
import type { Verification, Verifier } from './verifier.ts'

const issuer = 'https://issuer.example'
const now = 1_800_000_000
const key = generateSigningKey('ES256', { keyId: 'k' })
const claims = { iss: issuer, aud: 'billing', sub: 'orders', iat: now - 60, exp: now + 60 }
const header = { alg: 'ES256', typ: 'at+jwt', kid: 'k' }
const good = tokenOf(header, claims)
const base = {
  issuer,
  audience: 'billing',
  keySet: createKeySet([verificationKey(key)]),
  clock: () => now * 1000,
}

test('a good token is verified, and says what is in it', async () => {
  const verification = await createVerifier(base).verify(good)
  assert.ok(verification.kind === 'verified')
  assert.equal(verification.token.subject, 'orders')
  assert.deepEqual({ ...verification.token.claims }, claims)
  assert.deepEqual({ ...verification.token.header }, header)
})

for (const [what, token, expected] of [
  // the text
  ['no text', undefined, 'token-malformed'],
  ['a number', 7, 'token-malformed'],
  ['nothing', '', 'token-malformed'],
  ['one segment', 'abc', 'token-malformed'],
  ['two segments', good.slice(0, good.lastIndexOf('.')), 'token-malformed'],
  ['four segments', `${good}.x`, 'token-malformed'],
  ['five segments', 'a.b.c.d.e', 'token-malformed'],
  ['a dot behind', `${good}.`, 'token-malformed'],
  ['a dot in front', `.${good}`, 'token-malformed'],
  ['a space in front', ` ${good}`, 'token-malformed'],
  ['a newline behind', `${good}\n`, 'signature-invalid'],
  ['Bearer in front', `Bearer ${good}`, 'token-malformed'],
  ['JSON', JSON.stringify({ payload: '', signatures: [] }), 'token-malformed'],
  ['one character too many', 'x'.repeat(16_385), 'token-oversize'],
  ['a megabyte of dots', '.'.repeat(1_000_000), 'token-oversize'],
  // the header
  ['alg none', tokenOf({ ...header, alg: 'none' }, claims), 'algorithm-mismatch'],
  [
    'alg none and no signature',
    tokenOf({ ...header, alg: 'none' }, claims).replace(/[^.]*$/, ''),
    'algorithm-mismatch',
  ],
  ['the alg of another key', tokenOf({ ...header, alg: 'HS256' }, claims), 'algorithm-mismatch'],
  ['an unknown alg', tokenOf({ ...header, alg: 'ES257' }, claims), 'algorithm-mismatch'],
  ['an unknown kid', tokenOf({ ...header, kid: 'x' }, claims), 'key-unknown'],
  ['crit', tokenOf({ ...header, crit: ['exp'] }, claims), 'critical-unknown'],
  ['b64', tokenOf({ ...header, b64: false, crit: ['b64'] }, claims), 'critical-unknown'],
  ['another typ', tokenOf({ ...header, typ: 'JWT' }, claims), 'type-mismatch'],
  ['no typ', tokenOf({ ...header, typ: undefined }, claims), 'type-mismatch'],
  ['typ in full', tokenOf({ ...header, typ: 'application/at+jwt' }, claims), 'verified'],
  ['no kid, where one key fits', tokenOf({ ...header, kid: undefined }, claims), 'verified'],
  // the signature
  ['no signature', `${good.slice(0, good.lastIndexOf('.'))}.`, 'signature-invalid'],
  [
    'the signature of another token',
    spliced(good, tokenOf(header, { ...claims, sub: 'web' })),
    'signature-invalid',
  ],
  ['the signature of another key', tokenOf(header, claims, generateSigningKey('ES256')), 'signature-invalid'],
  ['a signature with padding', `${good}=`, 'signature-invalid'],
  // the claims
  ['no claims', tokenOf(header, undefined), 'token-malformed'],
  ['claims in a list', tokenOf(header, [claims]), 'token-malformed'],
  ['no iss', tokenOf(header, { ...claims, iss: undefined }), 'issuer-mismatch'],
  ['another iss', tokenOf(header, { ...claims, iss: `${issuer}/` }), 'issuer-mismatch'],
  ['iss in a list', tokenOf(header, { ...claims, iss: [issuer] }), 'issuer-mismatch'],
  ['another aud', tokenOf(header, { ...claims, aud: 'web' }), 'audience-mismatch'],
  ['no exp', tokenOf(header, { ...claims, exp: undefined }), 'claim-missing'],
  ['exp as text', tokenOf(header, { ...claims, exp: '9999999999' }), 'claim-malformed'],
  ['exp passed, within the tolerance', tokenOf(header, { ...claims, exp: now - 4 }), 'verified'],
  ['exp passed', tokenOf(header, { ...claims, exp: now - 5 }), 'token-expired'],
  ['nbf ahead, within the tolerance', tokenOf(header, { ...claims, nbf: now + 5 }), 'verified'],
  ['nbf ahead', tokenOf(header, { ...claims, nbf: now + 6 }), 'token-premature'],
  ['iat ahead', tokenOf(header, { ...claims, iat: now + 6 }), 'token-premature'],
  ['cnf', tokenOf(header, { ...claims, cnf: { jkt: 'x' } }), 'proof-required'],
  // several faults: what is checked first, and nothing of an unsigned token
  [
    'expired, with a bad signature',
    spliced(tokenOf(header, { ...claims, exp: 1 }), good),
    'signature-invalid',
  ],
  ['for another service, expired', tokenOf(header, { ...claims, aud: 'web', exp: 1 }), 'audience-mismatch'],
  [
    'of another issuer, with another typ',
    tokenOf({ ...header, typ: 'x' }, { ...claims, iss: 'x' }),
    'issuer-mismatch',
  ],
] as const) {
  test(`${what}: ${expected}`, async () => {
    for (const cache of [false, { entries: 10 }] as const) {
      const verifier = createVerifier({ ...base, cache })
      for (let times = 0; times < 3; times++) {
        assert.equal(reason(verifier.verifyNow(token as string)), expected)
        assert.equal(reason(await verifier.verify(token as string)), expected)
      }
    }
  })
}

for (const [what, options, change, expected] of [
  ['any audience', { audience: dangerouslyAnyAudience }, { aud: 'web' }, 'verified'],
  ['one of two audiences', { audience: ['web', 'billing'] }, {}, 'verified'],
  ['any type', { types: dangerouslyAnyType }, {}, 'verified'],
  ['another type', { types: ['JWT'] }, {}, 'type-mismatch'],
  ['the algorithms it has', { algorithms: ['ES256', 'RS256'] }, {}, 'verified'],
  ['other algorithms', { algorithms: ['RS256'] }, {}, 'algorithm-mismatch'],
  ['a claim it has', { requiredClaims: ['sub'] }, {}, 'verified'],
  ['a claim it has not', { requiredClaims: ['sub', 'tenant'] }, {}, 'claim-missing'],
  ['its life', { maxLifetimeSeconds: 120 }, {}, 'verified'],
  ['a shorter life', { maxLifetimeSeconds: 119 }, {}, 'token-lifetime'],
  ['no end', { dangerouslyAllowMissingExpiry: true }, { exp: undefined }, 'verified'],
] as const) {
  test(`asked for ${what}: ${expected}`, () => {
    const verifier = createVerifier({ ...base, ...options })
    assert.equal(reason(verifier.verifyNow(tokenOf(header, { ...claims, ...change }))), expected)
  })
}

test('a verifier takes the time that it is given', () => {
  const verifier = createVerifier(base)
  assert.equal(reason(verifier.verifyNow(good, (now + 65) * 1000 - 1)), 'verified')
  assert.equal(reason(verifier.verifyNow(good, (now + 65) * 1000)), 'token-expired')
  assert.equal(reason(verifier.verifyNow(good, (now - 65) * 1000)), 'verified')
  assert.equal(reason(verifier.verifyNow(good, (now - 65) * 1000 - 1)), 'token-premature')
  assert.equal(reason(verifier.verifyNow(good)), 'verified')
})

test('a clock that gives no number is a Problem, not an answer', async () => {
  for (const time of [Number.NaN, Number.POSITIVE_INFINITY, '0', undefined, 0n]) {
    const verifier = createVerifier({ ...base, clock: () => time as number })
    assert.throws(() => verifier.verifyNow(good), { code: 'option-invalid' })
    await assert.rejects(verifier.verify(good), { code: 'option-invalid' })
  }
})

test('a token seen before gives the same object, until its time is over', () => {
  const clock = { now: now * 1000 }
  const verifier = createVerifier({ ...base, clock: () => clock.now })
  const verification = verifier.verifyNow(good)
  assert.equal(verifier.verifyNow(`${good}`.slice()), verification)
  assert.ok(Object.isFrozen(verification))
  clock.now += 65_000
  assert.equal(reason(verifier.verifyNow(good)), 'token-expired')
  clock.now -= 1
  assert.equal(reason(verifier.verifyNow(good)), 'verified')
})

test('without a cache every token is verified anew', () => {
  const verifier = createVerifier({ ...base, cache: false })
  assert.notEqual(verifier.verifyNow(good), verifier.verifyNow(good))
})

test('a key that goes takes its tokens along, also cached ones; one that stays does not', () => {
  const other = generateSigningKey('ES256', { keyId: 'other' })
  const keySet = createKeySet([verificationKey(key), verificationKey(other)])
  const verifier = createVerifier({ ...base, keySet })
  const theirs = tokenOf({ ...header, kid: 'other' }, claims, other)
  const before = [verifier.verifyNow(good), verifier.verifyNow(theirs)]
  assert.deepEqual(before.map(reason), ['verified', 'verified'])
  keySet.replace([verificationKey(other)])
  assert.equal(reason(verifier.verifyNow(good)), 'key-unknown')
  assert.equal(verifier.verifyNow(theirs), before[1])
  keySet.replace([verificationKey(key)])
  assert.equal(reason(verifier.verifyNow(good)), 'verified')
  // The name stays, the key behind it is another one.
  keySet.replace([readJwk({ ...publicJwk(other), kid: 'k' })])
  assert.equal(reason(verifier.verifyNow(good)), 'signature-invalid')
})

test('a revocation refuses a cached token, and only what it is about', () => {
  const revocations = createRevocations()
  const verifier = createVerifier({ ...base, revocations })
  const web = tokenOf(header, { ...claims, sub: 'web' })
  assert.equal(reason(verifier.verifyNow(good)), 'verified')
  const untouched = verifier.verifyNow(web)
  revocations.revoke({ issuer, untilSeconds: now + 60, subject: 'orders', issuedBeforeSeconds: now })
  for (let times = 0; times < 2; times++) {
    assert.equal(reason(verifier.verifyNow(good)), 'token-revoked')
    assert.equal(verifier.verifyNow(web), untouched)
  }
})

test('several issuers: each by its own rules and keys', () => {
  const theirKey = generateSigningKey('Ed25519', { keyId: 'k' })
  const other = {
    issuer: 'https://other.example',
    audience: 'theirs',
    keySet: createKeySet([verificationKey(theirKey)]),
    types: ['JWT'],
  }
  const { clock, ...ours } = base
  const verifier = createVerifier({ issuers: [ours, other], clock })
  const theirs = { ...claims, iss: other.issuer, aud: 'theirs' }
  const theirHeader = { alg: 'Ed25519', typ: 'JWT', kid: 'k' }
  assert.equal(reason(verifier.verifyNow(good)), 'verified')
  assert.equal(reason(verifier.verifyNow(tokenOf(theirHeader, theirs, theirKey))), 'verified')
  assert.equal(reason(verifier.verifyNow(tokenOf(header, { ...theirs }))), 'type-mismatch')
  assert.equal(reason(verifier.verifyNow(tokenOf({ ...header, typ: 'JWT' }, theirs))), 'algorithm-mismatch')
  const ourClaims = tokenOf({ ...theirHeader, typ: 'at+jwt' }, claims, theirKey)
  assert.equal(reason(verifier.verifyNow(ourClaims)), 'algorithm-mismatch')
  const theirAudience = tokenOf(theirHeader, { ...theirs, aud: 'billing' }, theirKey)
  assert.equal(reason(verifier.verifyNow(theirAudience)), 'audience-mismatch')
})

for (const found of [
  undefined,
  null,
  '',
  {},
  { algorithm: 'ES256', verifies: () => true },
  Object.create(verificationKey(key)),
]) {
  test(`a look-up that gives ${JSON.stringify(found) ?? 'undefined'} has found no key`, () => {
    const keySet: KeySet = {
      ...base.keySet,
      generation: 0,
      checkAfterMs: 0,
      find: () => found as VerificationKey,
      load: async () => {},
    }
    assert.equal(reason(createVerifier({ ...base, keySet }).verifyNow(good)), 'key-unknown')
  })
}

test('a look-up that gives a key of another algorithm has found none', () => {
  const rsa = verificationKey(generateSigningKey('RS256', { keyId: 'k' }))
  const keySet: KeySet = { generation: 0, checkAfterMs: 0, find: () => rsa, load: async () => {} }
  assert.equal(reason(createVerifier({ ...base, keySet }).verifyNow(good)), 'algorithm-mismatch')
})

test('a set that always wants to be fetched is asked twice, then the token is refused', async () => {
  let loads = 0
  const keySet: KeySet = {
    generation: 0,
    checkAfterMs: 0,
    find: () => 'fetch',
    load: async () => void loads++,
  }
  const verifier: Verifier = createVerifier({ ...base, keySet })
  assert.equal(verifier.verifyNow(good), undefined)
  assert.equal(loads, 0)
  assert.equal(reason(await verifier.verify(good)), 'key-unknown')
  assert.equal(loads, 2)
  await verifier.warm()
  assert.equal(loads, 3)
  // What can be decided without a key is decided without one.
  assert.equal(reason(await verifier.verify('a.b.c')), 'token-malformed')
  assert.equal(reason(await verifier.verify(tokenOf(header, { ...claims, iss: 'x' }))), 'issuer-mismatch')
  assert.equal(
    reason(await verifier.verify(tokenOf({ ...header, alg: 'none' }, claims))),
    'algorithm-mismatch',
  )
  assert.equal(loads, 3)
})

test('keys at hand need no warming', async () => {
  await createVerifier(base).warm()
})

test('many keys have many headers, and none is mistaken for another', () => {
  const keys = Array.from({ length: 150 }, (_, index) =>
    generateSigningKey('Ed25519', { keyId: `k${index}` }),
  )
  const verifier = createVerifier({ ...base, cache: false, keySet: createKeySet(keys.map(verificationKey)) })
  const tokens = keys.map((one) => createSigner({ key: one }).sign(claims))
  for (const token of [...tokens, ...tokens.toReversed()])
    assert.equal(reason(verifier.verifyNow(token)), 'verified')
  for (const [index, token] of tokens.entries()) {
    const swapped = `${tokens[(index + 1) % 150]!.split('.')[0]}.${token.split('.').slice(1).join('.')}`
    assert.equal(reason(verifier.verifyNow(swapped)), 'signature-invalid')
  }
})

test('no denial holds anything of the token', async () => {
  const secret = 'hunter2'
  for (const token of [
    tokenOf({ ...header, kid: secret }, claims),
    tokenOf({ ...header, typ: secret }, claims),
    tokenOf(header, { ...claims, iss: secret }),
    tokenOf(header, { ...claims, aud: secret }),
    tokenOf(header, { ...claims, sub: [secret] }),
    `${secret}.${secret}.${secret}`,
  ]) {
    const verification = await createVerifier(base).verify(token)
    assert.equal(verification.kind, 'denied')
    assert.ok(!JSON.stringify(verification).includes(secret))
  }
})

function reason(verification: Verification | undefined): string {
  if (verification === undefined) return 'undecided'
  return verification.kind === 'denied' ? verification.denial.reason : verification.kind
}

/** A token of exactly this header and these claims, with a right signature. */
function tokenOf(header: object, claims: unknown, signer: SigningKey = key): string {
  const segments = [header, claims].map((part) =>
    Buffer.from(JSON.stringify(part) ?? '').toString('base64url'),
  )
  const input = segments.join('.')
  return `${input}.${signer.signs(input)}`
}

/** The first token with the signature of the second. */
function spliced(token: string, other: string): string {
  return token.slice(0, token.lastIndexOf('.')) + other.slice(other.lastIndexOf('.'))
}
