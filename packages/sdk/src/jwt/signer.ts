import { algorithmRow, isAlgorithm } from './algorithms.ts'
import type { Algorithm } from './algorithms.ts'
import { isNumericDate } from './claims.ts'
import { encodeBase64url } from '../core/base64url.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import { SigningKey } from './key.ts'
import { maxHeaderLength, maxKeyIdLength, maxTokenLength } from './compact.ts'

/** Signs claims with one key, synchronously. */
export type Signer = {
  readonly algorithm: Algorithm
  readonly keyId: string
  /**
   * The compact form (RFC 7515 §3.1) of a token with these claims.
   *
   * @throws Problem `claims-invalid` for what is no object, has a date that is none, or makes too long a token.
   */
  sign(claims: Readonly<Record<string, unknown>>): string
}

/**
 * Makes a signer. The protected header is written once, so that a token costs its signature and little more.
 *
 * @param options.type the `typ` (RFC 7515 §4.1.9); `at+jwt` (RFC 9068 §2.1) unless given.
 * @example
 * const signer = createSigner({ key: generateSigningKey('ES256') })
 * const token = signer.sign({ iss: 'https://issuer.example', aud: 'billing', exp: 1_767_225_600 })
 */
export function createSigner(options: { readonly key: SigningKey; readonly type?: string }): Signer {
  refuseUnknownOptions('createSigner', options, ['key', 'type'])
  const { key } = options
  if (!(key instanceof SigningKey))
    throw new Problem('option-invalid', 'createSigner: key must be a signing key')
  const head = headerSegment(key.algorithm, key.keyId, options.type ?? 'at+jwt')
  return Object.freeze({
    algorithm: key.algorithm,
    keyId: key.keyId,
    sign: (claims: Readonly<Record<string, unknown>>): string => {
      const input = head + claimsSegment(claims)
      return checkLength(`${input}.${key.signs(input)}`)
    },
  })
}

/** Signs with a key that lives elsewhere: an HSM or a cloud's key service. */
export type ExternalSigner = {
  readonly algorithm: Algorithm
  readonly keyId: string
  sign(claims: Readonly<Record<string, unknown>>): Promise<string>
}

/**
 * Makes a signer whose signatures are computed by `sign`.
 *
 * @param options.sign gets the signing input and gives the signature as RFC 7518 §3 wants it (ECDSA: r‖s, not DER).
 * @throws Problem `option-invalid`; when signing also `signature-malformed` for a signature of another length, and
 *   whatever `sign` throws.
 * @example
 * createExternalSigner({ algorithm: 'ES256', keyId: 'kms-1', sign: async (input) => kms.sign(input) })
 */
export function createExternalSigner(options: {
  readonly algorithm: Algorithm
  readonly keyId: string
  readonly sign: (input: Uint8Array) => Promise<Uint8Array>
  readonly type?: string
}): ExternalSigner {
  refuseUnknownOptions('createExternalSigner', options, ['algorithm', 'keyId', 'sign', 'type'])
  const { algorithm, keyId, sign } = options
  if (!isAlgorithm(algorithm)) throw new Problem('option-invalid', 'createExternalSigner: unknown algorithm')
  const head = headerSegment(algorithm, keyId, options.type ?? 'at+jwt')
  const width = algorithmRow(algorithm).signatureBytes
  return Object.freeze({
    algorithm,
    keyId,
    sign: async (claims: Readonly<Record<string, unknown>>): Promise<string> => {
      const input = head + claimsSegment(claims)
      const signature = await sign(Buffer.from(input, 'latin1'))
      if (width > 0 && signature.length !== width) {
        throw new Problem(
          'signature-malformed',
          `an ${algorithm} signature has ${width} bytes, not ${signature.length}`,
          {
            next: 'give ECDSA signatures as r‖s (RFC 7518 §3.4), not as DER',
          },
        )
      }
      return checkLength(`${input}.${encodeBase64url(signature)}`)
    },
  })
}

/**
 * A protected header as a segment, with the dot behind it.
 *
 * @param more members beside `alg`, `typ` and `kid`, in their order.
 */
export function headerSegment(
  alg: Algorithm,
  keyId: string,
  typ: string | undefined,
  more: Readonly<Record<string, unknown>> = {},
): string {
  if (typ !== undefined && (typeof typ !== 'string' || typ === '')) {
    throw new Problem('option-invalid', 'a signer\'s type must be a text, such as "at+jwt"')
  }
  // A shared secret may have no name; every published key has one.
  if (typeof keyId !== 'string' || keyId.length > maxKeyIdLength) {
    throw new Problem(
      'option-invalid',
      `a signer's keyId must be a text of at most ${maxKeyIdLength} characters`,
    )
  }
  // JSON leaves undefined members out.
  const header = { alg, typ, kid: keyId === '' ? undefined : keyId, ...more }
  const segment = encodeBase64url(Buffer.from(JSON.stringify(header)))
  if (segment.length <= maxHeaderLength) return `${segment}.`
  throw new Problem('option-invalid', `the header would be longer than ${maxHeaderLength} characters`)
}

function claimsSegment(claims: Readonly<Record<string, unknown>>): string {
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) {
    throw new Problem('claims-invalid', 'claims must be an object')
  }
  for (const name of dateClaims) {
    const date = claims[name]
    // JSON writes NaN and Infinity as null, which turns a token that ends into one that looks as if it never does; and
    // milliseconds for seconds would make it end in fifty thousand years.
    if (date !== undefined && !isNumericDate(date)) {
      throw new Problem('claims-invalid', `${name} must be seconds since the epoch, up to the year 9999`, {
        next: 'divide milliseconds by 1000',
      })
    }
  }
  return Buffer.from(JSON.stringify(claims), 'utf8').toString('base64url')
}

/** @throws Problem `claims-invalid` for a token that no verifier would look at. */
export function checkLength(token: string): string {
  if (token.length <= maxTokenLength) return token
  throw new Problem('claims-invalid', `the token would be longer than ${maxTokenLength} characters`)
}

const dateClaims = ['exp', 'nbf', 'iat'] as const
