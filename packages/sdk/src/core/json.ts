import { isUtf8 } from 'node:buffer'

/** A parsed JSON object that passed every check below. Its prototype is Object's: read own members only. */
export type StrictJson = { readonly [name: string]: unknown }

/** Deeper nesting than this is refused: no token needs it, and later walks must not overflow the stack. */
export const maxJsonDepth = 32

/**
 * Parses a JSON object and refuses what parsers disagree about: duplicate member names at any depth (RFC 7519 §4),
 * a member called `__proto__`, numbers beyond the range of a double, lone surrogates and NUL in strings, deep nesting,
 * and quotes, backslashes and control characters in names.
 *
 * Gives a string, the fault, when the text is refused; the fault never quotes the text.
 *
 * @example
 * parseStrictJson('{"alg":"none","alg":"ES256"}')   // 'a member name appears twice'
 */
export function parseStrictJson(text: string): StrictJson | string {
  if (!text.isWellFormed()) return 'a string holds half a surrogate pair'
  const bytes = Buffer.from(text, 'utf8')
  return parseStrictJsonBytes(bytes, bytes.length)
}

/** Like {@link parseStrictJson}, for the first `length` of some bytes; refuses what is not UTF-8 (RFC 8259 §8.1). */
export function parseStrictJsonBytes(bytes: Buffer, length: number): StrictJson | string {
  const scan = scanBytes(bytes, length)
  if (scan === tooDeep) return `nested deeper than ${maxJsonDepth} levels`
  const members = scan >> flagBits
  const decoded = (scan & wideFlag) === 0 ? bytes.toString('latin1', 0, length) : decodeUtf8(bytes, length)
  if (decoded === undefined) return 'not UTF-8'
  // Only an escape can bring a lone surrogate or NUL into a string: raw ones are not UTF-8 or not JSON.
  const walk: Walk = { members: 0, escapes: (scan & escapeFlag) !== 0, fault: undefined }
  const text = (scan & nameEscapeFlag) === 0 ? decoded : withPlainNames(decoded, walk)
  if (walk.fault !== undefined) return walk.fault
  // Members that every object inherits would be counted and read as if the text had them.
  for (const _ in pristine) return 'not read: Object.prototype of this process has been changed'
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'not JSON'
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'not a JSON object'
  walkObject(value as StrictJson, walk)
  if (walk.fault !== undefined) return walk.fault
  // JSON.parse keeps the last of two equal names, so the parsed value then has fewer members than the text.
  if (walk.members !== members) return 'a member name appears twice'
  return value as StrictJson
}

const pristine = {}
const tooDeep = -1
const wideFlag = 1
const escapeFlag = 2
const nameEscapeFlag = 4
const flagBits = 3
const quote = 0x22
const backslash = 0x5c

/**
 * Counts the members of a JSON text (colons outside strings) and notes wide characters, escapes, and escapes in names
 * (the string before a colon), in one pass over the bytes. Exact for JSON; for other text JSON.parse has the last word.
 */
function scanBytes(bytes: Uint8Array, length: number): number {
  let members = 0
  let depth = 0
  let escapes = 0
  let escapesOfString = 0
  let seen = 0
  for (let index = 0; index < length; index++) {
    const byte = bytes[index]!
    seen |= byte
    if (byte === quote) {
      escapesOfString = 0
      for (index++; index < length; index++) {
        const inside = bytes[index]!
        seen |= inside
        if (inside === quote) break
        if (inside === backslash) {
          escapesOfString = escapeFlag | nameEscapeFlag
          escapes |= escapeFlag
          index++
          if (index < length) seen |= bytes[index]!
        }
      }
    } else if (byte === 0x3a) {
      members++
      escapes |= escapesOfString
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > maxJsonDepth) return tooDeep
    } else if (byte === 0x7d || byte === 0x5d) {
      depth--
    }
  }
  return (members << flagBits) | escapes | (seen > 0x7f ? wideFlag : 0)
}

function decodeUtf8(bytes: Buffer, length: number): string | undefined {
  const part = bytes.subarray(0, length)
  return isUtf8(part) ? part.toString('utf8') : undefined
}

/**
 * The same JSON with the escapes in its names undone; a name that cannot do without one is a fault.
 *
 * V8 13 and 14 (Node 24 and 26) read an escaped name as another one that they have met before when that one begins like
 * its source text: whoever sends `{"su\\":1}` first, in a token of no worth, turns `{"su\u0062":"orders"}` of an honest
 * one into a claim named `su\`. A name without escapes is always read as it is.
 */
function withPlainNames(text: string, walk: Walk): string {
  return text.replace(stringMaybeName, (whole, string: string, colon: string | undefined) => {
    if (colon === undefined || !string.includes('\\')) return whole
    const name = parseString(string)
    if (name === undefined) walk.fault = 'not JSON'
    else if (oddInName.test(name))
      walk.fault = 'a member name holds a quote, a backslash or a control character'
    else checkString(name, walk)
    return `"${name}"${colon}`
  })
}

// Matches every string of a text from left to right, so that it never begins inside one: also one that does not end,
// or each quote in it would be tried as a beginning, in quadratic time.
const stringMaybeName = /("[^"\\]*(?:\\[^]?[^"\\]*)*(?:"|$))(\s*:)?/g
// Without NUL, which is a fault of its own in every string.
const oddInName = /["\\\u0001-\u001f]/

function parseString(json: string): string | undefined {
  try {
    return JSON.parse(json) as string
  } catch {
    return undefined
  }
}

type Walk = { members: number; readonly escapes: boolean; fault: string | undefined }

function walkObject(object: StrictJson, walk: Walk): void {
  // A parsed object's prototype has no enumerable member, so for…in sees its own names only, and is the fast form.
  for (const name in object) {
    walk.members++
    if (name === '__proto__') walk.fault = 'a member is named __proto__'
    else if (walk.escapes) checkString(name, walk)
    const value = object[name]
    if (typeof value !== 'string') walkValue(value, walk)
    else if (walk.escapes) checkString(value, walk)
  }
}

function walkValue(value: unknown, walk: Walk): void {
  if (typeof value === 'string') {
    if (walk.escapes) checkString(value, walk)
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) walk.fault = 'a number is out of range'
  } else if (typeof value === 'object' && value !== null) {
    if (Array.isArray(value)) for (let index = 0; index < value.length; index++) walkValue(value[index], walk)
    else walkObject(value as StrictJson, walk)
  }
}

function checkString(text: string, walk: Walk): void {
  if (text.includes('\0')) walk.fault = 'a string holds NUL'
  else if (!text.isWellFormed()) walk.fault = 'a string holds half a surrogate pair'
}
