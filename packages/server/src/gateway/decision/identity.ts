import { deny } from '@countersign/sdk/core'
import type { Denial } from '@countersign/sdk/core'
import { lookUp, readPointer } from '@countersign/sdk/policy'
import type { Principal } from '@countersign/sdk/policy'

/**
 * The header lines that tell an upstream who acts, ready to be sent. A claim the token does not have gives no header.
 *
 * Values are printable ASCII whatever the issuer put into its claims: other characters, `%` among them, are
 * percent-encoded as UTF-8, so `decodeURIComponent` gives the exact value back and no claim can end a line, begin a
 * header, or look like another claim. Roles are a JSON array, with other characters as `\u` escapes.
 *
 * @returns a denial when a value is too long: an identity cut short might be somebody else's
 */
export function identityHeaders(principal: Principal, claimHeaders: ClaimHeaders = []): string | Denial {
  const values: readonly (readonly [name: string, value: string | undefined])[] = [
    ['Countersign-Subject', principal.subject && encodeText(principal.subject)],
    ['Countersign-Client', principal.clientId && encodeText(principal.clientId)],
    ['Countersign-Issuer', encodeText(principal.issuer)],
    ['Countersign-Roles', principal.roles.size === 0 ? undefined : encodeJson([...principal.roles])],
    // One scope never looks like two: a space within one, which only a list claim can hold, is encoded.
    ['Countersign-Scopes', [...principal.scopes].map(encodeWord).join(' ')],
    ['Countersign-Token-Id', principal.tokenId && encodeText(principal.tokenId)],
    ['Countersign-Actor', principal.actor && encodeText(principal.actor.subject)],
    ...claimHeaders.map(({ name, claim }) => [name, encodeClaim(lookUp(principal.claims, claim))] as const),
  ]
  let lines = ''
  for (const [name, value] of values) {
    if (value === undefined || value === '') continue
    if (value.length > longestValue) {
      return deny('claim-malformed', `${name} would be longer than ${longestValue} characters`)
    }
    lines += `${name}: ${value}\r\n`
  }
  // What was put together piece by piece stays a tree of pieces, which is walked each time it is sent and takes up a
  // kilobyte a token for as long as that is remembered.
  return Buffer.from(lines, 'latin1').toString('latin1')
}

/** Headers that a service wants filled from claims. */
export type ClaimHeaders = readonly { readonly name: string; readonly claim: readonly string[] }[]

/** @throws Problem `policy-invalid` for what is no claim */
export function readClaimHeaders(headers: ReadonlyMap<string, string> = new Map()): ClaimHeaders {
  return [...headers].map(([name, claim]) => ({ name, claim: readPointer(claim, `claimHeaders.${name}`) }))
}

/** A text as it is, encoded where it must be; everything else as JSON. Nothing for what is not there. */
function encodeClaim(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  return typeof value === 'string' ? encodeText(value) : encodeJson(value)
}

/** Spaces at the ends are encoded as well, since a header's reader takes them off. */
function encodeText(text: string): string {
  if (isPlain(text) && !text.startsWith(' ') && !text.endsWith(' ')) return text
  let encoded = ''
  let at = 0
  // By whole characters, not UTF-16 halves; a lone half becomes U+FFFD, as in any UTF-8 text.
  for (const character of text.toWellFormed()) {
    const edge = at === 0 || at + character.length === text.length
    encoded += isPlain(character) && !(edge && character === ' ') ? character : encode(character)
    at += character.length
  }
  return encoded
}

function encodeWord(text: string): string {
  return encodeText(text).replaceAll(' ', '%20')
}

function encodeJson(value: unknown): string {
  const json = JSON.stringify(value)
  if (isAscii(json)) return json
  let encoded = ''
  for (const unit of json.split('')) {
    const code = unit.charCodeAt(0)
    encoded += code >= 0x20 && code < 0x7f ? unit : `\\u${code.toString(16).padStart(4, '0')}`
  }
  return encoded
}

function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code >= 0x7f || code === PERCENT) return false
  }
  return true
}

/** JSON has no control characters of its own, but for DEL. */
function isAscii(json: string): boolean {
  for (let i = 0; i < json.length; i++) if (json.charCodeAt(i) >= 0x7f) return false
  return true
}

function encode(character: string): string {
  return character.charCodeAt(0) < 0x80
    ? `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
    : encodeURIComponent(character)
}

/** The names of all of them, in lower case. */
export const identityNames: readonly string[] = [
  'countersign-subject',
  'countersign-client',
  'countersign-issuer',
  'countersign-roles',
  'countersign-scopes',
  'countersign-token-id',
  'countersign-actor',
]

const PERCENT = 0x25
/** Leaves room for all of them within the 32 KiB most servers take as a head. */
const longestValue = 4 * 1024
