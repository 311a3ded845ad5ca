import { isAlgorithm } from './algorithms.ts'
import type { Algorithm } from './algorithms.ts'
import { decodeBase64urlInto } from '../core/base64url.ts'
import { deny } from '../core/denial.ts'
import type { Denial } from '../core/denial.ts'
import { parseStrictJsonBytes } from '../core/json.ts'
import type { StrictJson } from '../core/json.ts'
import { maxKeyIdLength } from './jwk.ts'

/** The longest token that is looked at, in characters. Far above any honest token, ML-DSA-87 ones included. */
export const maxTokenLength = 16_384

/** The longest protected header that is looked at, in characters of base64url. */
export const maxHeaderLength = 2_048

/** A protected header (RFC 7515 §4) that this verifier is willing to act on. */
export type ProtectedHeader = {
  readonly algorithm: Algorithm
  readonly keyId: string | undefined
  /** Lower case, without `application/` (RFC 7515 §4.1.9), so that spellings of one media type compare equal. */
  readonly type: string | undefined
  readonly members: StrictJson
}

/**
 * Reads the first segment of a token. Everything in it is a claim of the sender: keys and key locations that it
 * brings along (`jwk`, `jku`, `x5u`, `x5c`) are never looked at.
 */
export function readHeader(segment: string): ProtectedHeader | Denial {
  if (segment.length > maxHeaderLength)
    return deny('token-malformed', `header longer than ${maxHeaderLength}`)
  const members = readJsonSegment(segment)
  if (typeof members === 'string') return deny('token-malformed', `header: ${members}`)
  const { alg, kid, typ, crit } = members
  if (typeof alg !== 'string') return deny('token-malformed', 'header: "alg" is missing or not a string')
  // Before anything is looked up by it: `none` and its spellings must not even cause a key to be fetched.
  if (!isAlgorithm(alg)) return deny('algorithm-mismatch', 'header: "alg" is not a known algorithm')
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > maxKeyIdLength)) {
    return deny('token-malformed', `header: "kid" is not a string of at most ${maxKeyIdLength} characters`)
  }
  if (typ !== undefined && typeof typ !== 'string')
    return deny('token-malformed', 'header: "typ" is not a string')
  // RFC 7515 §4.1.11: an extension we do not understand, and we understand none, refuses the token. An empty or
  // malformed list is refused as well, and so is an unencoded payload that forgot to say so (RFC 7797 §6).
  if ('crit' in members) return deny('critical-unknown', criticalDetail(crit))
  if ('b64' in members) return deny('critical-unknown', 'header: "b64" is not for tokens (RFC 7797 §7)')
  if ('enc' in members || 'zip' in members)
    return deny('token-malformed', 'header: this is not a signed token')
  return { algorithm: alg, keyId: kid, type: typ === undefined ? undefined : mediaType(typ), members }
}

/** Decodes one segment strictly: canonical base64url of UTF-8 of a JSON object; or says what is wrong with it. */
export function readJsonSegment(segment: string): StrictJson | string {
  const length = decodeBase64urlInto(segment, scratch)
  return length < 0 ? 'not canonical base64url' : parseStrictJsonBytes(scratch, length)
}

// Parsing is synchronous, so one buffer serves every call; it holds the longest token there may be.
const scratch = Buffer.alloc(maxTokenLength)

/** `application/at+jwt`, `AT+JWT` and `at+jwt` are one type: RFC 7515 §4.1.9 leaves the prefix out. */
export function mediaType(type: string): string {
  const lower = type.toLowerCase()
  const rest = lower.startsWith('application/') ? lower.slice('application/'.length) : lower
  return rest.includes('/') ? lower : rest
}

function criticalDetail(crit: unknown): string {
  const names = Array.isArray(crit) ? crit.filter((name): name is string => typeof name === 'string') : []
  if (names.length === 0) return 'header: "crit" is not a list of extension names'
  const shown = names.map((name) => JSON.stringify(name.slice(0, 40))).slice(0, 5)
  return `header: unknown critical extension ${shown.join(', ')}`
}
