import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { rsaWeakness } from './rsa-strength.ts'

const e65537 = Uint8Array.of(1, 0, 1)
const sound = modulusOf(2048)

test('a key that OpenSSL makes is sound', () => {
  assert.equal(rsaWeakness(sound, e65537), undefined)
  assert.equal(rsaWeakness(sound, Uint8Array.of(3)), undefined)
})

for (const [bits, fault] of [
  [512, 'an RSA key needs at least 2048 bits, this one has 512'],
  [1024, 'an RSA key needs at least 2048 bits, this one has 1024'],
  [2040, 'an RSA key needs at least 2048 bits, this one has 2040'],
  [2047, 'an RSA key needs at least 2048 bits, this one has 2047'],
  [2048, undefined],
  [2049, undefined],
  [8192, undefined],
  [8193, 'an RSA key may have at most 8192 bits, this one has 8193'],
  [16_384, 'an RSA key may have at most 8192 bits, this one has 16384'],
] as const) {
  test(`a modulus of ${bits} bits: ${fault ?? 'strong enough'}`, () => {
    assert.equal(rsaWeakness(toBytes((1n << BigInt(bits - 1)) + 0x2357bd1n), e65537), fault)
  })
}

test('no modulus at all is weak', () => {
  assert.equal(rsaWeakness(new Uint8Array(), e65537), 'an RSA key needs at least 2048 bits, this one has 0')
})

for (const [exponent, fault] of [
  [[], 'the RSA exponent must be odd and at least 3'],
  [[0], 'the RSA exponent must be odd and at least 3'],
  [[1], 'the RSA exponent must be odd and at least 3'],
  [[2], 'the RSA exponent must be odd and at least 3'],
  [[1, 0, 0], 'the RSA exponent must be odd and at least 3'],
  [[3], undefined],
  [[255, 255, 255, 255, 255, 255, 255, 255], undefined],
  [[1, 0, 0, 0, 0, 0, 0, 0, 1], 'the RSA exponent may have at most 64 bits'],
] as const) {
  test(`an exponent of ${exponent.length} bytes ending in ${exponent.at(-1) ?? 'nothing'}: ${fault ?? 'good'}`, () => {
    assert.equal(rsaWeakness(sound, Uint8Array.from(exponent)), fault)
  })
}

test('an even modulus is no product of two primes', () => {
  const even = Uint8Array.from(sound)
  even[even.length - 1]! &= 0xfe
  assert.equal(rsaWeakness(even, e65537), 'the RSA modulus is even')
})

test('a modulus that is a power of 65537 modulo every small prime has the ROCA fingerprint', () => {
  // What the flawed library's moduli are: 65537^c modulo the product of the first primes.
  const primes = smallPrimes(167)
  const product = primes.reduce((all, prime) => all * prime, 1n)
  for (const power of [1n, 2n, 1234n]) {
    let modulus = 65537n ** power % product
    modulus += product * ((1n << 2047n) / product + 1n)
    if (modulus % 2n === 0n) modulus += product
    assert.equal(modulus.toString(2).length, 2048)
    assert.match(rsaWeakness(toBytes(modulus), e65537) ?? '', /ROCA/)
    // The same, but for one prime: sound.
    const shifted = modulus + (2n * product) / 11n
    assert.equal(rsaWeakness(toBytes(shifted), e65537), undefined)
  }
})

function modulusOf(bits: number): Uint8Array {
  const jwk = generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' })
  return Buffer.from(jwk.n!, 'base64url')
}

function toBytes(value: bigint): Uint8Array {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}

/** The odd primes up to `limit`. */
function smallPrimes(limit: number): bigint[] {
  const primes: bigint[] = []
  for (let n = 3n; n <= limit; n += 2n) if (primes.every((prime) => n % prime !== 0n)) primes.push(n)
  return primes
}
