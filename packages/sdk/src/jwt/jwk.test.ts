import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import type { Algorithm } from './algorithms.ts'
import { supportedAlgorithms } from './algorithms.ts'
import { maxKeyIdLength } from './compact.ts'
import { checkJwk, jwkThumbprint } from './jwk.ts'
import type { Jwk } from './jwk.ts'
import { isProblem } from '../core/problem.ts'

const rsa = pairOf('rsa', { modulusLength: 2048 })
const p256 = pairOf('ec', { namedCurve: 'P-256' })
const p384 = pairOf('ec', { namedCurve: 'P-384' })
const p521 = pairOf('ec', { namedCurve: 'P-521' })
const k256 = pairOf('ec', { namedCurve: 'secp256k1' })
const ed25519 = pairOf('ed25519')
const ed448 = pairOf('ed448')
const x25519 = pairOf('x25519')
const oct = (byteLength: number): Jwk => ({
  kty: 'oct',
  k: Buffer.alloc(byteLength, 7).toString('base64url'),
})

for (const [what, jwk, allowed, expected] of [
  // The key's own alg
  ['RS256 of its own', { ...rsa.public, alg: 'RS256' }, undefined, 'RS256'],
  ['PS512 of its own', { ...rsa.public, alg: 'PS512' }, ['RS256', 'PS512'], 'PS512'],
  ['HS256 of its own', { ...oct(32), alg: 'HS256' }, undefined, 'HS256'],
  ['EdDSA on Ed448', { ...ed448.public, alg: 'EdDSA' }, undefined, 'EdDSA'],
  ['Ed25519 of its own', { ...ed25519.public, alg: 'Ed25519' }, undefined, 'Ed25519'],
  ['an alg that is not allowed', { ...rsa.public, alg: 'RS256' }, ['PS256'], 'key-invalid'],
  ['alg none', { ...rsa.public, alg: 'none' }, undefined, 'key-invalid'],
  ['alg in lower case', { ...rsa.public, alg: 'rs256' }, undefined, 'key-invalid'],
  ['alg null', { ...rsa.public, alg: null }, ['RS256'], 'key-invalid'],
  ['an alg for encryption', { ...rsa.public, alg: 'RSA-OAEP' }, undefined, 'key-invalid'],
  ['HS256 of a public key', { ...rsa.public, alg: 'HS256' }, undefined, 'key-invalid'],
  ['RS256 of an EC key', { ...p256.public, alg: 'RS256' }, undefined, 'key-invalid'],
  ['ES256 of a secret', { ...oct(32), alg: 'ES256' }, undefined, 'key-invalid'],
  ['ES256 on P-384', { ...p384.public, alg: 'ES256' }, undefined, 'key-invalid'],
  ['ES256 on secp256k1', { ...k256.public, alg: 'ES256' }, undefined, 'key-invalid'],
  ['Ed25519 on Ed448', { ...ed448.public, alg: 'Ed25519' }, undefined, 'key-invalid'],
  ['EdDSA on X25519', { ...x25519.public, alg: 'EdDSA' }, undefined, 'key-invalid'],
  // No alg: the only one that fits
  ['P-256 without alg', p256.public, undefined, 'ES256'],
  ['P-384 without alg', p384.public, undefined, 'ES384'],
  ['P-521 without alg', p521.public, undefined, 'ES512'],
  ['Ed25519 without alg', ed25519.public, undefined, 'EdDSA'],
  ['Ed448 without alg', ed448.public, undefined, 'EdDSA'],
  ['RSA without alg', rsa.public, undefined, 'key-invalid'],
  ['RSA without alg, one allowed', rsa.public, ['ES256', 'RS256'], 'RS256'],
  ['RSA without alg, two allowed', rsa.public, ['RS256', 'PS256'], 'key-invalid'],
  ['Ed25519 without alg, both allowed', ed25519.public, ['EdDSA', 'Ed25519'], 'key-invalid'],
  ['Ed448 without alg, both allowed', ed448.public, ['EdDSA', 'Ed25519'], 'EdDSA'],
  ['a secret without alg', oct(64), undefined, 'key-invalid'],
  ['a secret without alg, one allowed', oct(32), ['HS256'], 'HS256'],
  ['a secret without alg, two allowed', oct(64), ['HS256', 'HS512'], 'key-invalid'],
  ['X25519 without alg', x25519.public, undefined, 'key-invalid'],
  ['nothing allowed', p256.public, [], 'key-invalid'],
  // kty and crv
  ['no kty', { ...p256.public, kty: undefined }, undefined, 'key-invalid'],
  ['another kty', { ...p256.public, kty: 'RSA' }, undefined, 'key-invalid'],
  ['an inherited name for a kty', { kty: 'constructor' }, undefined, 'key-invalid'],
  ['a crv that is none', { ...p256.public, crv: 'P-255' }, undefined, 'key-invalid'],
  ['a crv of an RSA key', { ...rsa.public, alg: 'RS256', crv: 'P-256' }, undefined, 'RS256'],
  // use and key_ops
  ['use sig', { ...p256.public, use: 'sig' }, undefined, 'ES256'],
  ['use enc', { ...p256.public, use: 'enc' }, undefined, 'key-invalid'],
  ['use null', { ...p256.public, use: null }, undefined, 'key-invalid'],
  ['key_ops verify', { ...p256.public, key_ops: ['verify'] }, undefined, 'ES256'],
  ['key_ops sign and verify', { ...oct(32), alg: 'HS256', key_ops: ['sign', 'verify'] }, undefined, 'HS256'],
  ['key_ops sign', { ...p256.public, key_ops: ['sign'] }, undefined, 'key-invalid'],
  ['key_ops encrypt', { ...p256.public, key_ops: ['encrypt'] }, undefined, 'key-invalid'],
  [
    'key_ops verify and encrypt',
    { ...p256.public, key_ops: ['verify', 'encrypt'] },
    undefined,
    'key-invalid',
  ],
  ['key_ops twice', { ...p256.public, key_ops: ['verify', 'verify'] }, undefined, 'key-invalid'],
  ['key_ops empty', { ...p256.public, key_ops: [] }, undefined, 'key-invalid'],
  ['key_ops as text', { ...p256.public, key_ops: 'verify' }, undefined, 'key-invalid'],
  ['key_ops of numbers', { ...p256.public, key_ops: [1] }, undefined, 'key-invalid'],
  // kid
  ['a kid', { ...p256.public, kid: 'k' }, undefined, 'ES256'],
  ['the longest kid', { ...p256.public, kid: 'k'.repeat(maxKeyIdLength) }, undefined, 'ES256'],
  [
    'a kid that is too long',
    { ...p256.public, kid: 'k'.repeat(maxKeyIdLength + 1) },
    undefined,
    'key-invalid',
  ],
  ['an empty kid', { ...p256.public, kid: '' }, undefined, 'key-invalid'],
  ['a kid that is a number', { ...p256.public, kid: 1 }, undefined, 'key-invalid'],
  ['a kid that is null', { ...p256.public, kid: null }, undefined, 'key-invalid'],
  // private members
  ['a private EC key', p256.private, undefined, 'key-invalid'],
  ['a private RSA key', { ...rsa.private, alg: 'RS256' }, undefined, 'key-invalid'],
  ['one prime of an RSA key', { ...rsa.public, alg: 'RS256', p: 'AQ' }, undefined, 'key-invalid'],
  ['a private OKP key', ed25519.private, undefined, 'key-invalid'],
  ['a secret in an EC key', { ...p256.public, k: 'AQ' }, undefined, 'key-invalid'],
  ['priv null', { ...p256.public, priv: null }, undefined, 'key-invalid'],
  // numbers
  ['no y', { ...p256.public, y: undefined }, undefined, 'key-invalid'],
  ['an empty x', { ...p256.public, x: '' }, undefined, 'key-invalid'],
  ['x as a number', { ...p256.public, x: 1 }, undefined, 'key-invalid'],
  ['x with padding', { ...p256.public, x: `${String(p256.public['x'])}=` }, undefined, 'key-invalid'],
  ['x with a space', { ...p256.public, x: ` ${String(p256.public['x'])}` }, undefined, 'key-invalid'],
  ['x with unused bits', { ...ed25519.public, x: nextLast(ed25519.public['x']) }, undefined, 'key-invalid'],
  ['x of another curve', { ...p256.public, x: p384.public['x'] }, undefined, 'key-invalid'],
  ['x without its leading byte', { ...p521.public, x: shorter(p521.public['x']) }, undefined, 'key-invalid'],
  ['a point that is not on the curve', { ...p256.public, y: p256.public['x'] }, undefined, 'key-invalid'],
  [
    'an RSA number with a zero in front',
    { ...rsa.public, alg: 'RS256', e: 'AAEAAQ' },
    undefined,
    'key-too-weak',
  ],
  // weakness
  [
    'RSA with 1024 bits',
    { ...pairOf('rsa', { modulusLength: 1024 }).public, alg: 'RS256' },
    undefined,
    'key-too-weak',
  ],
  ['RSA with exponent 1', { ...rsa.public, alg: 'RS256', e: 'AQ' }, undefined, 'key-too-weak'],
  ['31 bytes for HS256', { ...oct(31), alg: 'HS256' }, undefined, 'key-too-weak'],
  ['47 bytes for HS384', { ...oct(47), alg: 'HS384' }, undefined, 'key-too-weak'],
  ['48 bytes for HS384', { ...oct(48), alg: 'HS384' }, undefined, 'HS384'],
  ['63 bytes for HS512', { ...oct(63), alg: 'HS512' }, undefined, 'key-too-weak'],
  ['an empty secret', { kty: 'oct', k: '', alg: 'HS256' }, undefined, 'key-invalid'],
  [
    'a PEM file as a secret',
    secretOf('-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhk'),
    undefined,
    'key-invalid',
  ],
  ['a JWK as a secret', secretOf(JSON.stringify(rsa.public)), undefined, 'key-invalid'],
  // no object
  ['null', null, undefined, 'key-invalid'],
  ['a list', [p256.public], undefined, 'key-invalid'],
  ['a text', JSON.stringify(p256.public), undefined, 'key-invalid'],
] as [string, unknown, Algorithm[] | undefined, string][]) {
  test(`verifying, ${what}: ${expected}`, () => {
    assert.equal(outcome(jwk, 'verify', allowed), expected)
  })
}

for (const [what, jwk, allowed, expected] of [
  ['RSA', rsa.private, ['RS256'], 'RS256'],
  ['EC', p256.private, undefined, 'ES256'],
  ['Ed25519', ed25519.private, undefined, 'EdDSA'],
  ['Ed448', ed448.private, ['Ed448'], 'Ed448'],
  ['key_ops sign', { ...p256.private, key_ops: ['sign'] }, undefined, 'ES256'],
  ['key_ops verify', { ...p256.private, key_ops: ['verify'] }, undefined, 'key-invalid'],
  ['a public key', p256.public, undefined, 'key-invalid'],
  ['RSA without primes', { ...rsa.public, d: rsa.private['d'] }, ['RS256'], 'key-invalid'],
  [
    'the public half of another key',
    { ...ed25519.private, x: pairOf('ed25519').public['x'] },
    undefined,
    'key-invalid',
  ],
  ['d of another length', { ...p256.private, d: p384.private['d'] }, undefined, 'key-invalid'],
] as [string, unknown, Algorithm[] | undefined, string][]) {
  test(`signing, ${what}: ${expected}`, () => {
    assert.equal(outcome(jwk, 'sign', allowed), expected)
  })
}

test('what is wrong with a key is said without quoting it', () => {
  for (const jwk of [
    { ...p256.private },
    { ...rsa.private, alg: 'RS256' },
    { ...p256.public, y: p256.public['x'] },
    { ...oct(31), alg: 'HS256' },
    { ...p256.public, x: `${String(p256.public['x'])}=` },
  ] as Jwk[]) {
    assert.throws(
      () => checkJwk(jwk, 'verify', undefined, 'issuer.jwk'),
      (problem: Error) => {
        assert.match(problem.message, /^issuer\.jwk: /)
        const texts = ['x', 'y', 'd', 'n', 'k', 'p'].flatMap((name) => (jwk[name] ? [String(jwk[name])] : []))
        const shown = `${problem.stack} ${String(problem.cause)}`
        assert.ok(texts.every((text) => !shown.includes(text.slice(0, 20))))
        return true
      },
    )
  }
})

for (const algorithm of supportedAlgorithms().filter((name) => name.startsWith('ML-DSA'))) {
  test(`${algorithm}: a key names its algorithm, which is its own (RFC 9964 §3)`, () => {
    const pair = pairOf(algorithm.toLowerCase())
    assert.equal(outcome(pair.public, 'verify', undefined), algorithm)
    assert.equal(outcome(pair.private, 'sign', undefined), algorithm)
    assert.equal(outcome(pair.private, 'verify', undefined), 'key-invalid')
    assert.equal(outcome({ ...pair.public, alg: undefined }, 'verify', [algorithm]), 'key-invalid')
    const other = algorithm === 'ML-DSA-44' ? 'ML-DSA-65' : 'ML-DSA-44'
    assert.equal(outcome({ ...pair.public, alg: other }, 'verify', undefined), 'key-invalid')
    assert.equal(outcome({ ...pair.private, priv: undefined }, 'sign', undefined), 'key-invalid')
  })
}

test('a thumbprint is of the required members alone, in any order', () => {
  for (const { public: jwk, private: whole } of [rsa, p256, ed25519]) {
    const expected = jwkThumbprint(jwk)
    assert.match(expected, /^[\w-]{43}$/)
    assert.equal(
      jwkThumbprint({ ...Object.fromEntries(Object.entries(whole).reverse()), kid: 'k', use: 'sig' }),
      expected,
    )
    assert.notEqual(jwkThumbprint({ ...jwk, kty: 'oct', k: 'AQ' }), expected)
  }
})

for (const jwk of [
  null,
  undefined,
  'x',
  {},
  { kty: 'oct' },
  { kty: 'EC', crv: 'P-256', x: 1, y: 'a' },
  { kty: 'toString' },
  { kty: ['EC'] },
]) {
  test(`there is no thumbprint of ${JSON.stringify(jwk) ?? 'undefined'}`, () => {
    assert.throws(() => jwkThumbprint(jwk as Jwk), { code: 'key-invalid' })
  })
}

/** The algorithm that a key gets, or the code it is refused with. */
function outcome(
  jwk: unknown,
  purpose: 'verify' | 'sign',
  allowed: readonly Algorithm[] | undefined,
): string {
  try {
    return checkJwk(jwk, purpose, allowed, 'jwk').algorithm
  } catch (problem) {
    assert.ok(isProblem(problem), String(problem))
    return problem.code
  }
}

function pairOf(type: string, options: object = {}): { public: Jwk; private: Jwk } {
  const pair = generateKeyPairSync(type as 'rsa', options as { modulusLength: number })
  return {
    public: pair.publicKey.export({ format: 'jwk' }) as Jwk,
    private: pair.privateKey.export({ format: 'jwk' }) as Jwk,
  }
}

function secretOf(text: string): Jwk {
  return { kty: 'oct', alg: 'HS256', k: Buffer.from(text).toString('base64url') }
}

/** Another spelling of the same bytes: the last character of 32 bytes has two bits that are not used. */
function nextLast(text: unknown): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const all = String(text)
  return all.slice(0, -1) + alphabet[alphabet.indexOf(all.at(-1)!) + 1]!
}

/** The same number without its first byte, which for P-521 is nearly always zero. */
function shorter(text: unknown): string {
  return Buffer.from(String(text), 'base64url').subarray(1).toString('base64url')
}
