import { checkPrimeSync, createPrivateKey, randomBytes } from 'node:crypto'
import type { KeyObject, webcrypto } from 'node:crypto'

/**
 * A real RSA key as the flawed library made them (ROCA, CVE-2017-15361): primes of the form k·M + 65537^a mod M, with M
 * the product of the first 126 primes. Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, §2.
 */
export function flawedRsaPrivateJwk(): {
  privateJwk: webcrypto.JsonWebKey
  key: KeyObject
  alg: 'RS256'
  kid: 'roca'
} {
  known ??= makeFlawedKey()
  return known
}

let known: ReturnType<typeof makeFlawedKey> | undefined

function makeFlawedKey(): { privateJwk: webcrypto.JsonWebKey; key: KeyObject; alg: 'RS256'; kid: 'roca' } {
  const e = 65537n
  for (;;) {
    const p = flawedPrime()
    const q = flawedPrime()
    const n = p * q
    const phi = (p - 1n) * (q - 1n)
    if (p === q || n.toString(2).length !== 2048 || phi % e === 0n) continue
    const d = inverse(e, phi)
    const [dp, dq, qi] = [d % (p - 1n), d % (q - 1n), inverse(q, p)]
    const numbers = { n, e, d, p, q, dp, dq, qi }
    const members = Object.entries(numbers).map(([name, value]) => [name, encodeNumber(value)])
    const privateJwk = { kty: 'RSA', ...Object.fromEntries(members) } as webcrypto.JsonWebKey
    const key = createPrivateKey({ key: privateJwk, format: 'jwk' })
    return { privateJwk, key, alg: 'RS256', kid: 'roca' }
  }
}

/** 1024 bits, the two highest set. */
function flawedPrime(): bigint {
  const product = primorial(126)
  const generator = power(65537n, randomBits(64), product)
  const least = (3n << 1022n) / product + 1n
  const span = (1n << 1024n) / product - least
  for (;;) {
    const candidate = (least + (randomBits(64) % span)) * product + generator
    if (candidate < 1n << 1024n && checkPrimeSync(candidate, { checks: 20 })) return candidate
  }
}

function primorial(count: number): bigint {
  let product = 1n
  const primes: number[] = []
  for (let candidate = 2; primes.length < count; candidate++) {
    if (primes.some((prime) => candidate % prime === 0)) continue
    primes.push(candidate)
    product *= BigInt(candidate)
  }
  return product
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  for (let square = base % modulus; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [previous, rest] = [modulus, value % modulus]
  let [before, factor] = [0n, 1n]
  while (rest !== 0n) {
    const quotient = previous / rest
    ;[previous, rest] = [rest, previous - quotient * rest]
    ;[before, factor] = [factor, before - quotient * factor]
  }
  return ((before % modulus) + modulus) % modulus
}

function randomBits(bits: number): bigint {
  return BigInt(`0x${randomBytes(bits / 8).toString('hex')}`)
}

function encodeNumber(value: bigint): string {
  const hex = value.toString(16)
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url')
}
