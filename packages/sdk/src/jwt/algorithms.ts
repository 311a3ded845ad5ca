import { generateKeyPairSync, sign } from 'node:crypto'
import { Problem } from '../core/problem.ts'

/**
 * The signature algorithms we know: RFC 7518 §3, RFC 8037 and RFC 9864 (EdDSA), RFC 9964 (ML-DSA).
 * There is no `none` and never will be.
 */
export type Algorithm = keyof typeof algorithms

/** How an algorithm is computed. One row each; a key carries its row, and nothing else chooses one. */
export type AlgorithmRow = {
  readonly family: 'hmac' | 'rsa' | 'ecdsa' | 'eddsa' | 'ml-dsa'
  /** The JWK key type (RFC 7517 §4.1). */
  readonly kty: 'oct' | 'RSA' | 'EC' | 'OKP' | 'AKP'
  /** The name of the hash for node:crypto; null where the algorithm brings its own. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null
  /** JWK curves (RFC 7518 §6.2.1.1, RFC 8037 §2); the first is what a new key gets. */
  readonly curves: readonly string[]
  /** RSASSA-PSS salt in bytes, the size of the hash (RFC 7518 §3.5); 0 for everything else. */
  readonly saltBytes: number
  /** Bytes of a signature; 0 where the key decides. */
  readonly signatureBytes: number
  /** The smallest HMAC secret in bytes, the size of the hash (RFC 7518 §3.2); 0 for everything else. */
  readonly minSecretBytes: number
}

const none = { curves: [], saltBytes: 0, signatureBytes: 0, minSecretBytes: 0 } as const

export const algorithms = {
  HS256: { ...none, family: 'hmac', kty: 'oct', hash: 'sha256', signatureBytes: 32, minSecretBytes: 32 },
  HS384: { ...none, family: 'hmac', kty: 'oct', hash: 'sha384', signatureBytes: 48, minSecretBytes: 48 },
  HS512: { ...none, family: 'hmac', kty: 'oct', hash: 'sha512', signatureBytes: 64, minSecretBytes: 64 },
  RS256: { ...none, family: 'rsa', kty: 'RSA', hash: 'sha256' },
  RS384: { ...none, family: 'rsa', kty: 'RSA', hash: 'sha384' },
  RS512: { ...none, family: 'rsa', kty: 'RSA', hash: 'sha512' },
  PS256: { ...none, family: 'rsa', kty: 'RSA', hash: 'sha256', saltBytes: 32 },
  PS384: { ...none, family: 'rsa', kty: 'RSA', hash: 'sha384', saltBytes: 48 },
  PS512: { ...none, family: 'rsa', kty: 'RSA', hash: 'sha512', saltBytes: 64 },
  ES256: { ...none, family: 'ecdsa', kty: 'EC', hash: 'sha256', curves: ['P-256'], signatureBytes: 64 },
  ES384: { ...none, family: 'ecdsa', kty: 'EC', hash: 'sha384', curves: ['P-384'], signatureBytes: 96 },
  ES512: { ...none, family: 'ecdsa', kty: 'EC', hash: 'sha512', curves: ['P-521'], signatureBytes: 132 },
  // Polymorphic and deprecated by RFC 9864; still what most issuers write. The key's curve decides, never the token.
  EdDSA: { ...none, family: 'eddsa', kty: 'OKP', hash: null, curves: ['Ed25519', 'Ed448'] },
  Ed25519: { ...none, family: 'eddsa', kty: 'OKP', hash: null, curves: ['Ed25519'], signatureBytes: 64 },
  Ed448: { ...none, family: 'eddsa', kty: 'OKP', hash: null, curves: ['Ed448'], signatureBytes: 114 },
  'ML-DSA-44': { ...none, family: 'ml-dsa', kty: 'AKP', hash: null, signatureBytes: 2420 },
  'ML-DSA-65': { ...none, family: 'ml-dsa', kty: 'AKP', hash: null, signatureBytes: 3309 },
  'ML-DSA-87': { ...none, family: 'ml-dsa', kty: 'AKP', hash: null, signatureBytes: 4627 },
} as const satisfies Record<string, AlgorithmRow>

/** True for the exact name of an algorithm we know; `hs256`, `none` and ` ES256` are not. */
export function isAlgorithm(name: unknown): name is Algorithm {
  return typeof name === 'string' && Object.hasOwn(algorithms, name)
}

/**
 * Refuses a list of algorithms with anything else in it; undefined is no list.
 *
 * @throws Problem `option-invalid`
 */
export function refuseUnknownAlgorithms(where: string, listed: readonly Algorithm[] | undefined): void {
  if (listed === undefined || (Array.isArray(listed) && listed.every(isAlgorithm))) return
  throw new Problem('option-invalid', `${where}: algorithms must be a list of known algorithms`)
}

export function algorithmRow(algorithm: Algorithm): AlgorithmRow {
  return algorithms[algorithm]
}

/** The algorithms this runtime can compute: all, except that ML-DSA needs an OpenSSL that has it. */
export function supportedAlgorithms(): readonly Algorithm[] {
  supported ??= (Object.keys(algorithms) as Algorithm[]).filter(
    (name) => algorithmRow(name).family !== 'ml-dsa' || runtimeHasMlDsa(),
  )
  return supported
}

let supported: readonly Algorithm[] | undefined

function runtimeHasMlDsa(): boolean {
  try {
    // The types of node:crypto know the key type only from the version that has it.
    const pair = generateKeyPairSync('ml-dsa-44' as 'ed25519')
    return sign(null, Buffer.alloc(1), pair.privateKey).length === algorithms['ML-DSA-44'].signatureBytes
  } catch {
    return false
  }
}
