import type { Denial } from '../core/denial.ts'
import { deny } from '../core/denial.ts'

/**
 * A request target that has exactly one reading. Authorise it, route by it and forward it: never the raw target.
 */
export type CanonicalPath = {
  /**
   * Starts with `/`. Percent-encoded unreserved characters are decoded (RFC 3986 §6.2.2.2), the hex digits of what
   * stays encoded are upper case (§6.2.2.1), and nothing else differs from what arrived. `path + query` is what may be
   * forwarded.
   */
  readonly path: string
  /**
   * The path's segments with every percent-encoding decoded, for matching and for parameters: whether an upstream
   * tells `:` from `%3A` or not, both are judged by the same rule. A trailing slash is a last, empty segment; `/` has
   * one empty segment.
   */
  readonly segments: readonly string[]
  /** With its `?`, or empty. Checked for characters that cannot stand in a request line, otherwise as it arrived. */
  readonly query: string
}

/**
 * Reads a raw request target strictly: whatever two servers could understand differently is refused, not repaired.
 *
 * Most bypasses of gateways come from a rule that saw one path while the upstream served another. So a path is refused
 * (`path-ambiguous`, 400) for control characters and bytes beyond ASCII, `#`, `\`, `;`, empty segments (`//`), dot
 * segments in every spelling, `%00` and other encoded controls, `%2F`, `%5C` and `%3B`, malformed percent-encoding or
 * UTF-8 behind it, and doubly encoded text (`%252e`). A target that is no origin-form (`*`, `http://…`, RFC 9112 §3.2) is
 * `request-malformed`. Case matters, and so does a trailing slash: `/a` and `/a/` are two paths.
 *
 * The WHATWG URL parser must not be used for this: it repairs silently, and reads `//admin/x` as host `admin`.
 *
 * @param rawTarget the target exactly as the request line had it (`req.url` in node:http), at most a few KiB.
 * @example
 * canonicalPath('/invoices/%37?page=2') // { path: '/invoices/7', segments: ['invoices', '7'], query: '?page=2' }
 * canonicalPath('/public/%2E%2e/admin') // { reason: 'path-ambiguous', detail: 'a dot segment in the path' }
 */
export function canonicalPath(rawTarget: string): CanonicalPath | Denial {
  if (rawTarget.charCodeAt(0) !== SLASH) return notOriginForm
  const length = rawTarget.length
  const segments: string[] = []
  let start = 1
  let at = 1
  for (; at < length; at++) {
    const code = rawTarget.charCodeAt(at)
    const kind = code < 128 ? kinds[code] : REFUSED
    if (kind === PLAIN) continue
    if (kind === SEPARATOR) {
      if (at === start) return emptySegment
      if (isDotSegment(rawTarget, start, at)) return dotSegment
      segments.push(rawTarget.slice(start, at))
      start = at + 1
    } else if (kind === QUERY) {
      break
    } else if (kind === ESCAPE) {
      return readEncoded(rawTarget)
    } else {
      return refusedCharacter(code)
    }
  }
  if (isDotSegment(rawTarget, start, at)) return dotSegment
  segments.push(rawTarget.slice(start, at))
  if (at === length) return { path: rawTarget, segments, query: '' }
  return (
    refusedInQuery(rawTarget, at) ?? { path: rawTarget.slice(0, at), segments, query: rawTarget.slice(at) }
  )
}

/** The same for a target with a percent sign in its path: rarer, so it may build strings. */
function readEncoded(rawTarget: string): CanonicalPath | Denial {
  const questionMark = rawTarget.indexOf('?')
  const end = questionMark < 0 ? rawTarget.length : questionMark
  const segments: string[] = []
  let path = ''
  let start = 1
  for (let at = 1; at <= end; at++) {
    if (at < end && rawTarget.charCodeAt(at) !== SLASH) continue
    if (at === start && at < end) return emptySegment
    const segment = canonicalSegment(rawTarget, start, at)
    if (typeof segment !== 'string') return segment
    const decoded = decodeSegment(segment)
    if (typeof decoded !== 'string') return decoded
    path += '/' + segment
    segments.push(decoded)
    start = at + 1
  }
  return refusedInQuery(rawTarget, end) ?? { path, segments, query: rawTarget.slice(end) }
}

/** One segment with its unreserved characters decoded once and the rest of its encodings in upper case. */
function canonicalSegment(target: string, start: number, end: number): string | Denial {
  let segment = ''
  for (let at = start; at < end; at++) {
    const code = target.charCodeAt(at)
    const kind = code < 128 ? kinds[code] : REFUSED
    if (kind === PLAIN) {
      segment += target[at]
    } else if (kind === ESCAPE) {
      const high = at + 2 < end ? hexValue(target.charCodeAt(at + 1)) : -1
      const low = at + 2 < end ? hexValue(target.charCodeAt(at + 2)) : -1
      if (high < 0 || low < 0) return malformedEncoding
      const byte = high * 16 + low
      if (byte < 0x20 || byte === 0x7f) return encodedControl
      if (byte === SLASH || byte === BACKSLASH) return encodedSlash
      // Whoever decodes it before cutting parameters off (nginx forwards `;`, servlets then cut) serves `/users/admin`
      // where a rule for `/users/{id}` was asked about `admin;x`.
      if (byte === SEMICOLON) return encodedParameter
      segment += isUnreserved(byte) ? String.fromCharCode(byte) : '%' + HEX[high] + HEX[low]
      at += 2
    } else {
      return refusedCharacter(code)
    }
  }
  if (isDotSegment(segment, 0, segment.length)) return dotSegment
  return isDoublyEncoded(segment) ? doublyEncoded : segment
}

/** @returns the text an upstream reads once it has decoded the segment; refused when that is not UTF-8. */
function decodeSegment(segment: string): string | Denial {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    // Overlong forms such as %C0%AF stand for "/" in a careless decoder.
    return malformedUtf8
  }
}

/** `.` or `..`. */
function isDotSegment(text: string, start: number, end: number): boolean {
  if (start === end || text.charCodeAt(start) !== DOT) return false
  return end === start + 1 || (end === start + 2 && text.charCodeAt(start + 1) === DOT)
}

/** `%25` with two hex digits behind it: whoever decodes twice reads another path than we do. */
function isDoublyEncoded(segment: string): boolean {
  for (let at = segment.indexOf('%25'); at >= 0; at = segment.indexOf('%25', at + 3)) {
    if (hexValue(segment.charCodeAt(at + 3)) >= 0 && hexValue(segment.charCodeAt(at + 4)) >= 0) return true
  }
  return false
}

/** The query is no part of any decision; it only must not change where the request ends. */
function refusedInQuery(target: string, start: number): Denial | undefined {
  for (let at = start; at < target.length; at++) {
    const code = target.charCodeAt(at)
    if (code <= 0x20 || code >= 0x7f || code === HASH) return refusedCharacter(code)
  }
  return undefined
}

function refusedCharacter(code: number): Denial {
  if (code === HASH) return fragment
  if (code === BACKSLASH) return backslash
  if (code === SEMICOLON) return pathParameter
  if (code >= 0x80) return beyondAscii
  return code < 0x20 || code === 0x7f ? control : notAllowed
}

/** The value of a hex digit, or -1 (also for NaN, past the end of a string). */
function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  if (code >= 0x41 && code <= 0x46) return code - 0x37
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1
}

/** RFC 3986 §2.3 */
function isUnreserved(byte: number): boolean {
  return (
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x30 && byte <= 0x39) ||
    UNRESERVED_MARKS.includes(String.fromCharCode(byte))
  )
}

const HASH = 0x23
const PERCENT = 0x25
const DOT = 0x2e
const SLASH = 0x2f
const SEMICOLON = 0x3b
const BACKSLASH = 0x5c
const HEX = '0123456789ABCDEF'
const UNRESERVED_MARKS = '-._~'

const REFUSED = 0
const PLAIN = 1
const SEPARATOR = 2
const QUERY = 3
const ESCAPE = 4

/**
 * What each ASCII character is in a path. Plain is RFC 3986's pchar without `;` and percent, and the three that
 * browsers send as they are: `[`, `]` and `|`.
 */
const kinds: Uint8Array = (() => {
  const table = new Uint8Array(128)
  const plain =
    'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789' + UNRESERVED_MARKS + "!$&'()*+,=:@[]|"
  for (const character of plain) table[character.charCodeAt(0)] = PLAIN
  table[SLASH] = SEPARATOR
  table[0x3f] = QUERY
  table[PERCENT] = ESCAPE
  return table
})()

// Made once: refusing costs no more than allowing, and no detail repeats what the caller sent.
const notOriginForm = Object.freeze(
  deny('request-malformed', 'the request target does not start with a slash'),
)
const emptySegment = ambiguous('an empty segment ("//") in the path')
const dotSegment = ambiguous('a dot segment in the path')
const encodedSlash = ambiguous('an encoded slash or backslash in the path')
const encodedControl = ambiguous('an encoded control character in the path')
const malformedEncoding = ambiguous('a percent sign without two hex digits in the path')
const malformedUtf8 = ambiguous('percent-encoded bytes that are not UTF-8 in the path')
const doublyEncoded = ambiguous('doubly encoded text in the path')
const fragment = ambiguous('"#" in the request target')
const backslash = ambiguous('a backslash in the path')
const pathParameter = ambiguous('a path parameter (";") in the path')
const encodedParameter = ambiguous('an encoded semicolon in the path')
const beyondAscii = ambiguous('a byte beyond ASCII in the request target')
const control = ambiguous('a control character in the request target')
const notAllowed = ambiguous('a character in the request target that must be percent-encoded')

function ambiguous(detail: string): Denial {
  return Object.freeze(deny('path-ambiguous', detail))
}
