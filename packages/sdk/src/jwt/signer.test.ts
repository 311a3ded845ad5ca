import assert from 'node:assert/strict'
import { createPrivateKey, sign } from 'node:crypto'
import { test } from 'node:test'
import { supportedAlgorithms } from './algorithms.ts'
import { generateSigningKey, privateJwk, readSecretSigningKey, verificationKey } from './key-readers.ts'
import { createKeySet } from './key-set.ts'
import { createExternalSigner, createSigner } from './signer.ts'
import { createVerifier } from './verifier.ts'
import { Secret } from '../core/secret.ts'

const key = generateSigningKey('ES256', { keyId: 'es-1' })
const claims = { iss: 'https://issuer.example', aud: 'billing', exp: 4_000_000_000, name: 'Zoë' }

for (const algorithm of supportedAlgorithms()) {
  test(`${algorithm}: a signed token verifies`, () => {
    const own = generateSigningKey(algorithm, { keyId: 'k' })
    const token = createSigner({ key: own }).sign(claims)
    const verifier = createVerifier({
      issuer: claims.iss,
      audience: 'billing',
      keySet: createKeySet([verificationKey(own)]),
    })
    const verification = verifier.verifyNow(token)
    assert.ok(verification?.kind === 'verified')
    assert.deepEqual({ ...verification.token.claims }, claims)
    assert.deepEqual({ ...verification.token.header }, { alg: algorithm, typ: 'at+jwt', kid: 'k' })
  })
}

test('a signer says what it signs with', () => {
  const signer = createSigner({ key })
  assert.equal(signer.algorithm, 'ES256')
  assert.equal(signer.keyId, 'es-1')
  assert.ok(Object.isFrozen(signer))
})

test('the type is the one that is asked for', () => {
  assert.equal(
    headerOf(createSigner({ key, type: 'JWT' }).sign(claims)),
    '{"alg":"ES256","typ":"JWT","kid":"es-1"}',
  )
})

test('a secret without a name makes tokens that name no key', () => {
  const secret = readSecretSigningKey(Secret.fromText('x'.repeat(32)), { algorithm: 'HS256' })
  assert.equal(headerOf(createSigner({ key: secret }).sign(claims)), '{"alg":"HS256","typ":"at+jwt"}')
})

test('undefined claims are left out', () => {
  const token = createSigner({ key }).sign({ ...claims, sub: undefined })
  assert.equal(Buffer.from(token.split('.')[1]!, 'base64url').toString(), JSON.stringify(claims))
})

for (const [what, bad] of [
  ['exp NaN', { exp: Number.NaN }],
  ['exp infinite', { exp: Number.POSITIVE_INFINITY }],
  ['exp in milliseconds', { exp: Date.now() }],
  ['exp as text', { exp: '2000' }],
  ['exp null', { exp: null }],
  ['exp as a Date', { exp: new Date() }],
  ['nbf below zero', { nbf: -1 }],
  ['iat NaN', { iat: Number.NaN }],
] as const) {
  test(`${what} is not signed`, () => {
    assert.throws(() => createSigner({ key }).sign({ ...claims, ...bad }), { code: 'claims-invalid' })
  })
}

for (const bad of [null, undefined, 'claims', 7, [claims]]) {
  test(`claims of ${JSON.stringify(bad) ?? 'undefined'} are not signed`, () => {
    const wrong = bad as unknown as Record<string, unknown>
    assert.throws(() => createSigner({ key }).sign(wrong), { code: 'claims-invalid' })
  })
}

test('a token that no verifier would look at is not made', () => {
  const { sign } = createSigner({ key })
  assert.equal(sign({ x: 'x'.repeat(12_000) }).length <= 16_384, true)
  assert.throws(() => sign({ x: 'x'.repeat(12_300) }), { code: 'claims-invalid' })
})

test('an external signer makes the same token', async () => {
  const held = createPrivateKey({ key: JSON.parse(privateJwk(key).revealText()), format: 'jwk' })
  let input = ''
  const signer = createExternalSigner({
    algorithm: 'ES256',
    keyId: 'es-1',
    sign: async (bytes) => {
      input = Buffer.from(bytes).toString('latin1')
      return sign('sha256', bytes, { key: held, dsaEncoding: 'ieee-p1363' })
    },
  })
  const token = await signer.sign(claims)
  assert.equal(headerOf(token), '{"alg":"ES256","typ":"at+jwt","kid":"es-1"}')
  assert.equal(token.slice(0, token.lastIndexOf('.')), input)
  const keySet = createKeySet([verificationKey(key)])
  const verifier = createVerifier({ issuer: claims.iss, audience: 'billing', keySet })
  assert.equal(verifier.verifyNow(token)?.kind, 'verified')
})

test('a signature in the wrong form is told from a right one', async () => {
  const held = createPrivateKey({ key: JSON.parse(privateJwk(key).revealText()), format: 'jwk' })
  const signer = createExternalSigner({
    algorithm: 'ES256',
    keyId: 'es-1',
    sign: async (bytes) => sign('sha256', bytes, held),
  })
  await assert.rejects(signer.sign(claims), {
    code: 'signature-malformed',
    next: 'give ECDSA signatures as r‖s (RFC 7518 §3.4), not as DER',
  })
})

test('a signer that fails fails the token, in its own words', async () => {
  const failure = new Error('throttled')
  const signer = createExternalSigner({
    algorithm: 'RS256',
    keyId: 'kms',
    sign: () => Promise.reject(failure),
  })
  await assert.rejects(signer.sign(claims), failure)
  await assert.rejects(signer.sign({ exp: Number.NaN }), { code: 'claims-invalid' })
})

const external = { algorithm: 'ES256', keyId: 'k', sign: async () => new Uint8Array(64) }
for (const [what, make] of [
  ['no key', () => createSigner({ key: undefined as never })],
  ['a public key', () => createSigner({ key: verificationKey(key) as never })],
  ['a look-alike', () => createSigner({ key: { ...key, signs: () => 'x' } as never })],
  ['an empty type', () => createSigner({ key, type: '' })],
  ['a type that is no text', () => createSigner({ key, type: 7 as never })],
  ['no algorithm', () => createExternalSigner({ ...external, algorithm: 'none' as never })],
  ['a keyId that is no text', () => createExternalSigner({ ...external, keyId: 7 } as never)],
  ['a keyId that is too long', () => createExternalSigner({ ...external, keyId: 'x'.repeat(257) } as never)],
] as const) {
  test(`a signer with ${what} is refused`, () => {
    assert.throws(make, { code: 'option-invalid' })
  })
}

test('unknown options are refused', () => {
  assert.throws(() => createSigner({ key, typ: 'JWT' } as never), { code: 'option-unknown' })
  assert.throws(() => createExternalSigner({ ...external, key } as never), { code: 'option-unknown' })
})

function headerOf(token: string): string {
  return Buffer.from(token.split('.')[0]!, 'base64url').toString()
}
