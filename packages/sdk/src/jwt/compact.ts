import { isAlgorithm } from './algorithms.ts'
import type { Algorithm } from './algorithms.ts'
import { decodeBase64urlInto } from '../core/base64url.ts'
import { deny } from '../core/denial.ts'
import type { Denial } from '../core/denial.ts'
import { parseStrictJsonBytes } from '../core/json.ts'
import type { StrictJson } from '../core/json.ts'

/** The longest token that is looked at, in characters. Far above any honest token, ML-DSA-87 ones included. */
export const maxTokenLength = 16_384

/** The longest protected header that is looked at, in characters of base64url. */
export const maxHeaderLength = 2_048

/** The longest `kid` that is looked at: longer ones are somebody's attempt to fill memory. */
export const maxKeyIdLength = 256

/** A protected header (RFC 7515 §4) that this verifier is willing to act on. */
export type ProtectedHeader = {
  readonly algorithm: Algorithm
  readonly keyId: string | undefined
  /** Lower case, without `application/` (RFC 7515 §4.1.9), so that spellings of one media type compare equal. */
  readonly type: string | undefined
  readonly members: StrictJson
}

/**
 * The place of the second dot of a compact JWS (RFC 7515 §3.1), or -1 when there are not exactly two, or nothing stands
 * before the first. A text of nothing but dots costs no more than any other.
 */
export function secondDot(text: string, firstDot: number): number {
  const second = text.indexOf('.', firstDot + 1)
  return firstDot < 1 || second < 0 || text.includes('.', second + 1) ? -1 : second
}

/**
 * Reads the first segment of a token. Everything in it is a claim of the sender: keys and key locations that it
 * brings along (`jwk`, `jku`, `x5u`, `x5c`) are never looked at.
 *
 * @param understood the extensions that may be critical (RFC 7515 §4.1.11); in a token there are none.
 */
export function readHeader(segment: string, understood: readonly 'b64'[] = []): ProtectedHeader | Denial {
  if (segment.length > maxHeaderLength)
    return deny('token-malformed', `header longer than ${maxHeaderLength}`)
  const members = readJsonSegment(segment)
  if (typeof members === 'string') return deny('token-malformed', `header: ${members}`)
  const { alg, kid, typ } = members
  if (typeof alg !== 'string') return deny('token-malformed', 'header: "alg" is missing or not a string')
  // Before anything is looked up by it: `none` and its spellings must not even cause a key to be fetched.
  if (!isAlgorithm(alg)) return deny('algorithm-mismatch', 'header: "alg" is not a known algorithm')
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > maxKeyIdLength)) {
    return deny('token-malformed', `header: "kid" is not a string of at most ${maxKeyIdLength} characters`)
  }
  if (typ !== undefined && typeof typ !== 'string')
    return deny('token-malformed', 'header: "typ" is not a string')
  const critical = criticalFault(members, understood)
  if (critical !== undefined) return deny('critical-unknown', `header: ${critical}`)
  if ('enc' in members || 'zip' in members)
    return deny('token-malformed', 'header: this is not a signed token')
  return { algorithm: alg, keyId: kid, type: typ === undefined ? undefined : mediaType(typ), members }
}

/** Whether `typ` is an accepted one (RFC 8725 §3.11), spelled as {@link mediaType} spells it; undefined: any, or none. */
export function checkType(
  header: ProtectedHeader,
  types: ReadonlySet<string> | undefined,
): Denial | undefined {
  if (types === undefined || (header.type !== undefined && types.has(header.type))) return undefined
  const detail = header.type === undefined ? 'the token has no typ' : 'typ is another kind of token'
  return deny('type-mismatch', detail)
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

/**
 * RFC 7515 §4.1.11: an extension that is not understood refuses the token, and so does a list that is empty, malformed,
 * repeats a name or names what is not there.
 */
function criticalFault(members: StrictJson, understood: readonly string[]): string | undefined {
  const { crit } = members
  // RFC 7797 §6: an unencoded payload has to be critical, since whoever does not know of it would check another text.
  if ('b64' in members && !(Array.isArray(crit) && crit.includes('b64'))) {
    return '"b64" must be named in "crit" (RFC 7797 §6)'
  }
  if (!('crit' in members)) return undefined
  if (!Array.isArray(crit) || crit.length === 0 || !crit.every((name) => typeof name === 'string')) {
    return '"crit" is not a list of extension names'
  }
  const names: readonly string[] = crit
  const unknown = names.filter((name) => !understood.includes(name))
  if (unknown.length > 0) {
    const shown = unknown.slice(0, 5).map((name) => JSON.stringify(name.slice(0, 40)))
    return `unknown critical extension ${shown.join(', ')}`
  }
  if (new Set(names).size !== names.length) return '"crit" repeats a name'
  if (!names.every((name) => name in members)) return '"crit" names what is not there'
  return undefined
}
