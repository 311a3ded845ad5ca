import { deny } from '../core/denial.ts'
import type { Denial } from '../core/denial.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import { maxTokenLength } from '../jwt/compact.ts'

/** Where a request may carry its token. */
export type TokenPlace =
  /** `Authorization: Bearer …` (RFC 6750 §2.1) */
  | { readonly kind: 'bearer' }
  /** `Authorization: DPoP …` (RFC 9449 §7.1). Never an option: it counts only where the proof is checked too. */
  | { readonly kind: 'dpop' }
  /** The whole value of a named header, such as the tutorial's `Token`. */
  | { readonly kind: 'header'; readonly name: string }
  /** A cookie's value. A browser sends cookies unasked, so the service needs a defence against forged requests. */
  | { readonly kind: 'cookie'; readonly name: string }

/** The same as people write it. */
export type TokenPlaceOption = 'bearer' | { readonly header: string } | { readonly cookie: string }

/**
 * Takes the token out of a request's headers. It may stand in exactly one of the places, and there once.
 *
 * Of an `Authorization` header only the place's own scheme counts (in any case, RFC 9110 §11.1); an empty named header or
 * cookie counts as none. The token's own syntax is the verifier's business: here it only has to be one word.
 *
 * @param rawHeaders names and values in turn, as they arrived (`req.rawHeaders`): in a joined header a second token
 *   would hide.
 * @returns the token, or `token-missing`, `token-repeated`, `token-places`, `credentials-malformed`, `token-oversize`.
 * @example
 * extractToken([{ kind: 'bearer' }], ['Host', 'billing', 'Authorization', 'Bearer eyJ…']) // 'eyJ…'
 */
export function extractToken(places: readonly TokenPlace[], rawHeaders: readonly string[]): string | Denial {
  let token: string | undefined
  for (let index = 0; index < places.length; index++) {
    const place = places[index]!
    const found = place.kind === 'cookie' ? findCookie(rawHeaders, place.name) : findHeader(rawHeaders, place)
    if (found === undefined) continue
    if (typeof found !== 'string') return found
    if (token !== undefined) return inTwoPlaces
    token = found
  }
  return token ?? missing
}

/**
 * Whether the token stands in `Authorization` under the scheme `DPoP` (RFC 9449 §7.1), for a request in which
 * {@link extractToken} found one.
 */
export function usesDpopScheme(rawHeaders: readonly string[]): boolean {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (isSameName(rawHeaders[at]!, 'authorization')) return hasScheme(rawHeaders[at + 1]!, DPOP)
  }
  return false
}

/** For those who check proofs: the place beside those that were named. */
export const dpopPlace: TokenPlace = Object.freeze({ kind: 'dpop' })

/**
 * Reads the places a token may stand in, as people write them.
 *
 * @throws Problem `option-invalid` for no place at all, one named twice, or a name that no header or cookie can have.
 * @example
 * readTokenPlaces(['bearer', { header: 'Token' }])
 */
export function readTokenPlaces(options: readonly TokenPlaceOption[]): readonly TokenPlace[] {
  if (!Array.isArray(options) || options.length === 0) {
    throw invalid('expected a list of places', 'for example tokenFrom: ["bearer"]')
  }
  const places = options.map((option: TokenPlaceOption) => readPlace(option))
  const keys = places.map((place) => {
    if (place.kind === 'header') return `header ${place.name.toLowerCase()}`
    return place.kind === 'cookie' ? `cookie ${place.name}` : 'header authorization'
  })
  const repeated = keys.find((key, index) => keys.indexOf(key) !== index)
  if (repeated !== undefined) throw invalid(`${repeated} is named twice`, 'name each place once')
  return Object.freeze(places)
}

function findHeader(
  rawHeaders: readonly string[],
  place: Exclude<TokenPlace, { readonly kind: 'cookie' }>,
): string | Denial | undefined {
  const name = place.kind === 'header' ? place.name : 'authorization'
  let value: string | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!isSameName(rawHeaders[at]!, name)) continue
    if (value !== undefined) return repeated
    value = rawHeaders[at + 1]!
  }
  if (value === undefined || value === '') return undefined
  if (place.kind === 'header') return oneWord(value, 0)
  const scheme = place.kind === 'bearer' ? BEARER : DPOP
  return hasScheme(value, scheme) ? oneWord(value, scheme.length) : undefined
}

/** The scheme ends with the value or a blank: `Bearertoken` is another scheme. */
function hasScheme(value: string, scheme: string): boolean {
  if (value.length < scheme.length) return false
  for (let at = 0; at < scheme.length; at++) {
    if ((value.charCodeAt(at) | 0x20) !== scheme.charCodeAt(at)) return false
  }
  const next = value.charCodeAt(scheme.length)
  return Number.isNaN(next) || next === BLANK || next === TAB
}

/** RFC 9110 §11.4: blanks, then one token68. A comma or another blank means a second token or a parameter. */
function oneWord(value: string, from: number): string | Denial {
  let start = from
  while (value.charCodeAt(start) === BLANK) start++
  const token = start === 0 ? value : value.slice(start)
  if (token === '') return malformed
  if (token.length > maxTokenLength) return oversize
  return token.includes(' ') || token.includes(',') || token.includes('\t') ? malformed : token
}

/**
 * RFC 6265 §4.2.1: pairs divided by "; ". HTTP/2 may split them over several headers (RFC 9113 §8.2.3).
 *
 * White space around a name is not the name's, as for the browser that sets one (§5.2): to a service that reads it so,
 * `token =…` before `token=…` would be the token, and only the other one would have been verified.
 */
function findCookie(rawHeaders: readonly string[], name: string): string | Denial | undefined {
  let found: string | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!isSameName(rawHeaders[at]!, 'cookie')) continue
    for (const pair of rawHeaders[at + 1]!.split(';')) {
      if (cookieName(pair) !== name) continue
      if (found !== undefined) return repeated
      found = pair.slice(pair.indexOf('=') + 1)
    }
  }
  if (found === undefined || found === '') return undefined
  return oneWord(found, 0)
}

function cookieName(pair: string): string | undefined {
  const equals = pair.indexOf('=')
  return equals < 0 ? undefined : pair.slice(0, equals).trim()
}

/** Header names are compared without case (RFC 9110 §5.1); `name` is known to have only letters, digits and such. */
function isSameName(name: string, expected: string): boolean {
  if (name.length !== expected.length) return false
  for (let at = 0; at < name.length; at++) {
    const one = name.charCodeAt(at)
    const other = expected.charCodeAt(at)
    if (one !== other && lowered(one) !== lowered(other)) return false
  }
  return true
}

function lowered(code: number): number {
  return code >= 0x41 && code <= 0x5a ? code | 0x20 : code
}

function readPlace(option: TokenPlaceOption): TokenPlace {
  if (option === 'bearer') return Object.freeze({ kind: 'bearer' })
  if (typeof option !== 'object' || option === null) {
    throw invalid('expected a place', 'write "bearer", { header: "Token" } or { cookie: "token" }')
  }
  refuseUnknownOptions('tokenFrom', option, ['header', 'cookie'])
  if (Object.keys(option).length !== 1) throw invalid('a place has one name', 'write two places')
  const [kind, name] =
    'header' in option ? (['header', option.header] as const) : (['cookie', option.cookie] as const)
  if (typeof name !== 'string' || name === '' || !isName(name)) {
    throw invalid(`${JSON.stringify(name)} cannot be the name of a ${kind}`, 'write letters, digits and -')
  }
  // Its first word is a scheme, and a cookie header holds more than one value.
  if (kind === 'header' && ownPlaces.includes(name.toLowerCase())) {
    throw invalid(`the header ${name} is no place of its own`, 'write "bearer", or { cookie: … }')
  }
  return Object.freeze({ kind, name })
}

function isName(name: string): boolean {
  for (const character of name) if (!nameCharacters.includes(character)) return false
  return true
}

function invalid(message: string, next: string): Problem {
  return new Problem('option-invalid', `tokenFrom: ${message}`, { next })
}

const BEARER = 'bearer'
const DPOP = 'dpop'
const TAB = 0x09
const BLANK = 0x20

/** RFC 9110 §5.6.2 */
const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
const ownPlaces = ['authorization', 'cookie']

const missing = Object.freeze(deny('token-missing', 'no token in any of the places it is looked for'))
const repeated = Object.freeze(deny('token-repeated', 'the place of the token stands twice in the request'))
const inTwoPlaces = Object.freeze(
  deny('token-places', 'a token stands in two of the places it is looked for'),
)
const malformed = Object.freeze(
  deny('credentials-malformed', 'what stands in the place of the token is not one word'),
)
const oversize = Object.freeze(
  deny('token-oversize', `the token is longer than ${maxTokenLength} characters`),
)
