import { createHash, randomUUID } from 'node:crypto'
import { algorithmRow, isAlgorithm } from './algorithms.ts'
import type { Algorithm } from './algorithms.ts'
import { systemClock } from '../core/clock.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import { comparable } from './dpop-url.ts'
import { jwkThumbprint } from './jwk.ts'
import type { Jwk } from './jwk.ts'
import { signJws } from './jws.ts'
import { SigningKey } from './key.ts'
import { generateSigningKey, publicJwk } from './key-readers.ts'

/** A key that tokens are bound to, for making proofs. Made by {@link createDpopKey}; the class is exported as a type alone. */
export class DpopKey {
  readonly algorithm: Algorithm
  /** The RFC 7638 thumbprint: what stands in a bound token as `cnf.jkt` (RFC 9449 §6.1). */
  readonly thumbprint: string
  readonly #signingKey: SigningKey
  readonly #jwk: Jwk

  constructor(key: SigningKey) {
    // Only the members of the key itself: kid, use and key_ops would be one more thing to disagree about.
    const { kid: _kid, alg: _alg, use: _use, ...jwk } = publicJwk(key)
    this.algorithm = key.algorithm
    this.thumbprint = jwkThumbprint(jwk)
    // The whole key stands in the header, so it needs no name there.
    this.#signingKey = new SigningKey(key.algorithm, '', SigningKey.material(key))
    this.#jwk = Object.freeze(jwk)
    Object.freeze(this)
  }

  /** True for a key of our own making. */
  static is(value: unknown): value is DpopKey {
    return typeof value === 'object' && value !== null && #jwk in value
  }

  /** For {@link createDpopProof} alone. */
  static sign(key: DpopKey, claims: Uint8Array): string {
    return signJws(claims, { key: key.#signingKey, type: 'dpop+jwt', header: { jwk: key.#jwk } })
  }
}

/**
 * Makes a key that tokens can be bound to. It lives in this process and nowhere else: whoever steals a token bound to it
 * cannot use it.
 *
 * @param options.algorithm ES256 unless given; any asymmetric one but ML-DSA, whose keys are too long for a header.
 * @throws Problem `option-invalid` or `option-unknown`.
 * @example
 * const key = createDpopKey()
 */
export function createDpopKey(options: { readonly algorithm?: Algorithm } = {}): DpopKey {
  refuseUnknownOptions('createDpopKey', options, ['algorithm'])
  const { algorithm = 'ES256' } = options
  if (!isAlgorithm(algorithm) || unfit.includes(algorithmRow(algorithm).family)) {
    throw new Problem('option-invalid', 'createDpopKey: expected an asymmetric algorithm such as ES256')
  }
  return new DpopKey(generateSigningKey(algorithm))
}

/** What a proof is for. */
export type DpopProofOptions = {
  readonly key: DpopKey
  /** The method of the request, as it is sent. */
  readonly method: string
  /** The URL of the request; its query and fragment are left out (RFC 9449 §4.2). */
  readonly url: string
  /** The token that goes along; left out at the token endpoint. */
  readonly accessToken?: string
  /** What the server last said in `DPoP-Nonce` (RFC 9449 §8). */
  readonly nonce?: string
  /** When it is, milliseconds since the epoch; the system's clock unless given. */
  readonly nowMs?: number
}

/**
 * Makes the proof of possession for one request (RFC 9449 §4.2): the value of its `DPoP` header. A request that is sent
 * again needs a new one.
 *
 * @throws Problem `option-invalid` or `option-unknown`.
 * @example
 * const proof = createDpopProof({ key, method: 'GET', url: 'https://billing.acme.example/invoices/7', accessToken })
 * await fetch(url, { headers: { Authorization: `DPoP ${accessToken}`, DPoP: proof } })
 */
export function createDpopProof(options: DpopProofOptions): string {
  refuseUnknownOptions('createDpopProof', options, optionNames)
  const { key, method, url, accessToken, nonce, nowMs = systemClock() } = options
  if (!DpopKey.is(key)) throw invalid('key must come from createDpopKey')
  if (typeof method !== 'string' || method === '') throw invalid('method must be a text, such as "GET"')
  const target = comparable(url)
  if (target === undefined) throw invalid('url must be an http(s) URL without credentials')
  if (!Number.isFinite(nowMs)) throw invalid('nowMs must be a number of milliseconds')
  const claims = {
    jti: randomUUID(),
    htm: method,
    htu: target,
    iat: Math.floor(nowMs / 1000),
    // JSON leaves undefined members out.
    ath: accessToken === undefined ? undefined : accessTokenHash(accessToken),
    nonce,
  }
  return DpopKey.sign(key, Buffer.from(JSON.stringify(claims), 'utf8'))
}

/** The `ath` of an access token (RFC 9449 §4.2). */
export function accessTokenHash(accessToken: string): string {
  return createHash('sha256').update(accessToken, 'latin1').digest('base64url')
}

function invalid(message: string): Problem {
  return new Problem('option-invalid', `createDpopProof: ${message}`)
}

const unfit: readonly string[] = ['hmac', 'ml-dsa']
const optionNames = ['key', 'method', 'url', 'accessToken', 'nonce', 'nowMs']
