import assert from 'node:assert/strict'
import { createSecretKey, generateKeyPairSync, generatePrimeSync } from 'node:crypto'
import { inspect } from 'node:util'
import { test } from 'node:test'
import fc from 'fast-check'
import { supportedAlgorithms } from './algorithms.ts'
import type { Algorithm } from './algorithms.ts'
import { SigningKey, VerificationKey } from './key.ts'
import {
  generateSigningKey,
  privateJwk,
  readPrivateJwk,
  readSecretKey,
  verificationKey,
} from './key-readers.ts'
import { Secret } from '../core/secret.ts'

for (const algorithm of supportedAlgorithms()) {
  const key = generateSigningKey(algorithm, { keyId: 'k' })
  const half = verificationKey(key)

  test(`${algorithm}: text and the same bytes have one signature`, () => {
    const text = 'header.claims'
    const signature = key.signs(text)
    assert.ok(half.verifies(text, signature))
    assert.ok(half.verifies(Buffer.from(text), signature))
    assert.ok(half.verifies(Buffer.from(text), key.signs(Buffer.from(text))))
    assert.ok(!half.verifies('header.claimz', signature))
  })

  test(`${algorithm}: messages around the size of every buffer`, () => {
    for (const length of [0, 1, 16_383, 16_384, 16_385, 100_000]) {
      const text = 'm'.repeat(length)
      assert.ok(half.verifies(text, key.signs(text)), String(length))
      assert.ok(!half.verifies(`${text}m`, key.signs(text)), String(length))
    }
  })

  test(`${algorithm}: whatever is no signature is refused and does not throw`, () => {
    const right = key.signs('text')
    const bytes = Buffer.from(right, 'base64url')
    for (const wrong of [
      ...[
        '',
        'A',
        'AA',
        '=',
        `${right}=`,
        `${right}A`,
        ` ${right}`,
        `${right}\n`,
        right.slice(1),
        right.slice(0, -1),
      ],
      ...[
        '\u0000'.repeat(right.length),
        'é'.repeat(right.length),
        '\u{1f600}'.repeat(10),
        'A'.repeat(20_000),
      ],
      Buffer.alloc(bytes.length).toString('base64url'),
      Buffer.alloc(bytes.length, 0xff).toString('base64url'),
      Buffer.concat([bytes, Buffer.alloc(1)]).toString('base64url'),
      Buffer.concat([Buffer.alloc(1), bytes]).toString('base64url'),
      bytes.subarray(1).toString('base64url'),
    ]) {
      assert.equal(half.verifies('text', wrong), false, JSON.stringify(wrong.slice(0, 20)))
    }
    fc.assert(
      fc.property(fc.uint8Array({ minLength: bytes.length, maxLength: bytes.length }), (random) => {
        assert.equal(half.verifies('text', Buffer.from(random).toString('base64url')), false)
      }),
      { numRuns: 20 },
    )
    assert.ok(half.verifies('text', right))
  })

  test(`${algorithm}: keys are equal that have one algorithm, one name and one material`, () => {
    assert.ok(half.equals(verificationKey(key)))
    assert.ok(!half.equals(verificationKey(generateSigningKey(algorithm, { keyId: 'k' }))))
    if (key.isSymmetric) return
    const renamed = readPrivateJwk(JSON.parse(privateJwk(key).revealText()), { keyId: 'other' })
    assert.ok(!half.equals(verificationKey(renamed)))
  })
}

for (const algorithm of ['ES256', 'ES384', 'ES512'] as const) {
  test(`${algorithm}: r and s have the width of the curve, no more and no less`, () => {
    const key = generateSigningKey(algorithm)
    const half = verificationKey(key)
    let shortened = 0
    for (let round = 0; round < 60; round++) {
      const text = `text ${round}`
      const raw = Buffer.from(key.signs(text), 'base64url')
      const [r, s] = [raw.subarray(0, raw.length / 2), raw.subarray(raw.length / 2)]
      const zero = Buffer.alloc(1)
      assert.ok(!half.verifies(text, Buffer.concat([zero, r, zero, s]).toString('base64url')))
      // A quarter of all signatures of P-521 could be written shorter.
      if (r[0] !== 0 || s[0] !== 0) continue
      assert.ok(!half.verifies(text, Buffer.concat([r.subarray(1), s.subarray(1)]).toString('base64url')))
      shortened++
    }
    assert.ok(shortened > 0 || algorithm !== 'ES512')
  })
}

for (const [algorithm, other] of [
  ['RS256', 'PS256'],
  ['RS256', 'RS384'],
  ['EdDSA', 'Ed25519'],
] as const) {
  test(`the material of an ${algorithm} key under ${other} is another key`, () => {
    const material = SigningKey.material(generateSigningKey(algorithm))
    const [one, two] = ([algorithm, other] as Algorithm[]).map((name) =>
      verificationKey(new SigningKey(name, 'k', material)),
    )
    assert.ok(!one!.equals(two!))
    if (algorithm === 'RS256')
      assert.ok(!two!.verifies('x', new SigningKey(algorithm, 'k', material).signs('x')))
  })
}

test('EdDSA signatures have the length of their curve', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed448')
  const signature = new SigningKey('EdDSA', 'k', privateKey).signs('text')
  assert.equal(Buffer.from(signature, 'base64url').length, 114)
  assert.ok(new VerificationKey('EdDSA', 'k', publicKey).verifies('text', signature))
})

test('an RSA key of a size that is no multiple of eight bits', () => {
  const key = readPrivateJwk(rsaJwk(2050), { algorithm: 'RS256' })
  assert.ok(verificationKey(key).verifies('text', key.signs('text')))
  const pss = readPrivateJwk(rsaJwk(2049), { algorithm: 'PS256' })
  assert.ok(verificationKey(pss).verifies('text', pss.signs('text')))
})

test('a key shows nothing of its material, and cannot be changed', () => {
  const secret = Secret.fromText('correct horse battery staple, and more')
  const key = readSecretKey(secret, { algorithm: 'HS256', keyId: 'k' })
  const shown = inspect(key, { depth: 9, showHidden: true }) + JSON.stringify(key)
  assert.ok(!shown.includes('horse') && !shown.includes(Buffer.from('correct').toString('hex')))
  assert.deepEqual(Object.keys(key), ['algorithm', 'keyId'])
  assert.throws(() => Object.assign(key, { algorithm: 'HS512' }), TypeError)
  assert.throws(() => Object.assign(generateSigningKey('ES256'), { keyId: 'x' }), TypeError)
})

test('a look-alike is no key', () => {
  const key = verificationKey(generateSigningKey('ES256'))
  assert.ok(VerificationKey.is(key))
  for (const other of [
    Object.create(key),
    Object.create(VerificationKey.prototype),
    { ...key, verifies: () => true },
    new Proxy(key, {}),
    createSecretKey(Buffer.alloc(32)),
    null,
    undefined,
    'key',
  ]) {
    assert.ok(!VerificationKey.is(other))
  }
})

/** A private RSA key of exactly so many bits: OpenSSL's generator rounds, so it is put together here. */
function rsaJwk(bits: number): Record<string, string> {
  const e = 65_537n
  for (;;) {
    const p = generatePrimeSync(bits >> 1, { bigint: true })
    const q = generatePrimeSync(bits - (bits >> 1), { bigint: true })
    const phi = (p - 1n) * (q - 1n)
    const n = p * q
    if (n.toString(2).length !== bits || phi % e === 0n) continue
    const d = inverse(e, phi)
    const numbers = { n, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) }
    return {
      kty: 'RSA',
      ...Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, base64url(value)])),
    }
  }
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n]
  while (a > 1n) {
    const quotient = b / a
    ;[a, b, x, y] = [b - quotient * a, a, y - quotient * x, x]
  }
  return ((x % modulus) + modulus) % modulus
}

function base64url(value: bigint): string {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url')
}
