/**
 * Why an RSA public key is too weak to trust, or undefined when it is not.
 *
 * RFC 7518 §3.3 asks for 2048 bits. An exponent of 1 makes every message its own signature, and an even one is no RSA
 * at all. Larger than 8192 bits or an exponent above 64 bits only costs the verifier time. Keys made by Infineon's
 * flawed library (ROCA, CVE-2017-15361) can be factored, and show in their remainders.
 */
export function rsaWeakness(modulus: Uint8Array, exponent: Uint8Array): string | undefined {
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24
  if (bits < 2048) return `an RSA key needs at least 2048 bits, this one has ${Math.max(bits, 0)}`
  if (bits > 8192) return `an RSA key may have at most 8192 bits, this one has ${bits}`
  const e = toBigInt(exponent)
  if (e < 3n || e % 2n === 0n) return 'the RSA exponent must be odd and at least 3'
  if (exponent.length > 8) return 'the RSA exponent may have at most 64 bits'
  const n = toBigInt(modulus)
  if (n % 2n === 0n) return 'the RSA modulus is even'
  if (isRoca(n)) return 'the RSA key has the fingerprint of the ROCA flaw (CVE-2017-15361)'
  return undefined
}

function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`)
}

/**
 * Flawed primes are k·M + 65537^a mod M with M a product of the first primes, so modulo each small prime the modulus is
 * a power of 65537. A sound key passes all 38 tests with a chance of about 2^-27.
 * Source: Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, §2.3 (fingerprinting).
 */
function isRoca(modulus: bigint): boolean {
  return rocaRemainders().every(([prime, powers]) => powers.has(Number(modulus % BigInt(prime))))
}

let remainders: readonly (readonly [number, ReadonlySet<number>])[] | undefined

function rocaRemainders(): readonly (readonly [number, ReadonlySet<number>])[] {
  remainders ??= smallPrimes.map((prime) => {
    const powers = new Set<number>()
    for (let power = 1; !powers.has(power); power = (power * 65537) % prime) powers.add(power)
    return [prime, powers] as const
  })
  return remainders
}

const smallPrimes = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107,
  109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
]
