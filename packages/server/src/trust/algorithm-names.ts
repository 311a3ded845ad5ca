import type { Algorithm } from '@countersign/sdk/jwt'

/** What our issuer may sign with. Never HMAC: whoever verifies could sign as well. */
export const signingAlgorithms = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'Ed448',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ML-DSA-44',
  'ML-DSA-65',
  'ML-DSA-87',
] as const satisfies readonly Algorithm[]

/** HMAC algorithms, and how many bytes a secret needs: the size of the hash (RFC 7518 §3.2). */
export const secretBytes = { HS256: 32, HS384: 48, HS512: 64 } as const satisfies Partial<
  Record<Algorithm, number>
>

export const allAlgorithms = [
  ...signingAlgorithms,
  'HS256',
  'HS384',
  'HS512',
] as const satisfies readonly Algorithm[]

export function isSecretAlgorithm(algorithm: Algorithm): algorithm is keyof typeof secretBytes {
  return Object.hasOwn(secretBytes, algorithm)
}
