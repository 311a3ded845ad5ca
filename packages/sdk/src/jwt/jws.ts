import { decodeBase64url, encodeBase64url } from '../core/base64url.ts'
import { deny } from '../core/denial.ts'
import type { Denial, DenialReason } from '../core/denial.ts'
import { freezeDeep } from '../core/freeze.ts'
import type { StrictJson } from '../core/json.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import { checkType, maxTokenLength, readHeader, secondDot } from './compact.ts'
import { SigningKey, VerificationKey } from './key.ts'
import { KeyTable, keyDenial } from './key-set.ts'
import { checkLength, headerSegment } from './signer.ts'
import { readTypes } from './verifier-options.ts'

/** Options of {@link verifyJws}. */
export type VerifyJwsOptions = {
  /** The payload, where it travels apart (RFC 7515 appendix F); the JWS must then carry none. */
  readonly payload?: Uint8Array
  /** Accepted `typ`, with or without `application/`. Without it `typ` is not looked at (RFC 7515 §4.1.9). */
  readonly types?: readonly string[]
}

export type JwsVerification =
  | { readonly kind: 'verified'; readonly jws: VerifiedJws }
  | { readonly kind: 'denied'; readonly denial: Denial }

/** A header and a payload whose signature has been checked; only {@link verifyJws} makes one. */
export class VerifiedJws {
  readonly #header: StrictJson
  readonly #payload: Uint8Array

  constructor(header: StrictJson, payload: Uint8Array) {
    this.#header = freezeDeep(header)
    this.#payload = payload
    Object.freeze(this)
  }

  /** The protected header, deeply frozen. */
  get header(): StrictJson {
    return this.#header
  }

  /** The bytes that were signed. */
  get payload(): Uint8Array {
    return this.#payload
  }
}

/**
 * Verifies a compact JWS (RFC 7515 §3.1) over any bytes: the layer below tokens. The JSON serialization is not read.
 *
 * The payload may be detached and unencoded (`b64: false`, RFC 7797). Of several keys the one is used that `kid` names,
 * else the only one of the token's `alg`; they are never tried one after the other. **No claim is checked**: for
 * tokens use `createVerifier`.
 *
 * @throws Problem `option-invalid`, `option-unknown` or `key-invalid`; never because of the JWS.
 * @example
 * const verification = verifyJws(jws, key, { payload: body, types: ['webhook+jws'] })
 */
export function verifyJws(
  jws: string,
  keys: VerificationKey | readonly VerificationKey[],
  options: VerifyJwsOptions = {},
): JwsVerification {
  refuseUnknownOptions('verifyJws', options, ['payload', 'types'])
  const detached = 'payload' in options
  // A payload that was forgotten must not let the JWS bring its own.
  if (detached) checkBytes('verifyJws', options.payload)
  const types = options.types === undefined ? undefined : readTypes(options.types)
  const table = new KeyTable(VerificationKey.is(keys) ? [keys] : keys, 'verifyJws')

  if (typeof jws !== 'string') return denied('token-malformed', 'not a string')
  if (jws.length > maxTokenLength) return denied('token-oversize', `longer than ${maxTokenLength}`)
  const firstDot = jws.indexOf('.')
  const lastDot = secondDot(jws, firstDot)
  if (lastDot < 0) return denied('token-malformed', 'not three segments')
  const header = readHeader(jws.slice(0, firstDot), ['b64'])
  if ('reason' in header) return { kind: 'denied', denial: header }
  const { b64 = true } = header.members
  if (typeof b64 !== 'boolean') return denied('critical-unknown', 'header: "b64" is neither true nor false')
  const early = checkType(header, types)
  if (early !== undefined) return { kind: 'denied', denial: early }
  const key = table.find(header.keyId, header.algorithm)
  if (typeof key === 'string') return { kind: 'denied', denial: keyDenial(key) }

  const middle = jws.slice(firstDot + 1, lastDot)
  if (detached && middle !== '') return denied('token-malformed', 'it brings a payload, but that is detached')
  const payload = detached ? options.payload : readPayload(middle, b64)
  if (payload === undefined)
    return denied('token-malformed', 'payload: not canonical base64url, or not plain')
  const input = detached ? signingInput(jws.slice(0, firstDot + 1), payload, b64) : jws.slice(0, lastDot)
  if (!key.verifies(input, jws.slice(lastDot + 1))) {
    return denied('signature-invalid', 'the signature does not fit')
  }
  return { kind: 'verified', jws: new VerifiedJws(header.members, payload) }
}

/** Options of {@link signJws}. */
export type SignJwsOptions = {
  readonly key: SigningKey
  /** The `typ` (RFC 7515 §4.1.9). */
  readonly type?: string
  /** More members of the protected header, such as `jwk` or `cty`. */
  readonly header?: Readonly<Record<string, unknown>>
  /** Leaves the payload out (RFC 7515 appendix F): it travels apart. */
  readonly detached?: boolean
  /** Signs the payload as it is, not its base64url (`b64: false`, RFC 7797); undetached it must then be plain ASCII. */
  readonly unencoded?: boolean
}

/**
 * Signs any bytes as a compact JWS (RFC 7515 §3.1); the counterpart of {@link verifyJws}.
 *
 * @throws Problem `option-invalid` or `option-unknown`, `claims-invalid` when it would be too long.
 * @example
 * const proof = signJws(Buffer.from(JSON.stringify(claims)), { key, type: 'dpop+jwt', header: { jwk } })
 */
export function signJws(payload: Uint8Array, options: SignJwsOptions): string {
  refuseUnknownOptions('signJws', options, ['key', 'type', 'header', 'detached', 'unencoded'])
  const { key, type, header = {}, detached = false, unencoded = false } = options
  if (!(key instanceof SigningKey)) throw invalid('signJws: key must be a signing key')
  checkBytes('signJws', payload)
  const own = ownMembers.find((name) => Object.hasOwn(header, name))
  if (own !== undefined)
    throw invalid(`signJws: header must not have "${own}", which has its own option or none`)
  const more = unencoded ? { ...header, b64: false, crit: ['b64'] } : header
  const head = headerSegment(key.algorithm, key.keyId, type, more)
  const middle = unencoded ? Buffer.from(payload).toString('latin1') : encodeBase64url(payload)
  if (unencoded && !detached && !isPlain(middle)) {
    throw invalid('signJws: an unencoded payload with a dot or beyond printable ASCII must be detached')
  }
  const signature = key.signs(signingInput(head, payload, !unencoded))
  return checkLength(`${head}${detached ? '' : middle}.${signature}`)
}

/** RFC 7515 §5.1 and RFC 7797 §3: what is signed. */
function signingInput(head: string, payload: Uint8Array, encoded: boolean): string | Uint8Array {
  return encoded ? head + encodeBase64url(payload) : Buffer.concat([Buffer.from(head, 'latin1'), payload])
}

function readPayload(middle: string, encoded: boolean): Uint8Array | undefined {
  if (encoded) return decodeBase64url(middle)
  return isPlain(middle) ? Buffer.from(middle, 'latin1') : undefined
}

/** RFC 7797 §5.2: what can stand between the dots as it is. */
function isPlain(text: string): boolean {
  return /^[\x20-\x2d\x2f-\x7e]*$/.test(text)
}

function checkBytes(where: string, payload: unknown): void {
  if (!(payload instanceof Uint8Array)) throw invalid(`${where}: payload must be bytes`)
}

function denied(reason: DenialReason, detail: string): JwsVerification {
  return { kind: 'denied', denial: deny(reason, detail) }
}

function invalid(message: string): Problem {
  return new Problem('option-invalid', message)
}

const ownMembers = ['alg', 'kid', 'typ', 'crit', 'b64', 'enc', 'zip']
