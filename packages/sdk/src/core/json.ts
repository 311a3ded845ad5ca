/** What strict parsing gives: the object, or a sentence that says what is wrong with the text. */
export type StrictJson = { readonly [name: string]: unknown }

/** Deeper nesting than this is refused: no token needs it, and later walks must not overflow the stack. */
export const maxJsonDepth = 32

/**
 * Parses a JSON object and refuses what parsers disagree about: duplicate member names at any depth (RFC 7519 §4),
 * a member called `__proto__`, numbers beyond the range of a double, lone surrogates and NUL in strings, deep nesting.
 *
 * Gives a string, the fault, when the text is refused; the fault never quotes the text.
 *
 * @example
 * parseStrictJson('{"alg":"none","alg":"ES256"}')   // 'a member name appears twice'
 */
export function parseStrictJson(text: string): StrictJson | string {
  const members = countMembers(text)
  if (members === tooDeep) return `nested deeper than ${maxJsonDepth} levels`
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'not JSON'
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'not a JSON object'
  // Only an escape can bring a lone surrogate or NUL into a string: raw ones are not UTF-8 or not JSON.
  const walk: Walk = { members: 0, escapes: text.includes('\\'), fault: undefined }
  walkObject(value as StrictJson, walk)
  if (walk.fault !== undefined) return walk.fault
  // JSON.parse keeps the last of two equal names, so the parsed value then has fewer members than the text.
  if (walk.members !== members) return 'a member name appears twice'
  return value as StrictJson
}

const tooDeep = -1
const quote = 0x22
const backslash = 0x5c

/** Members in the text: colons outside strings. Exact for JSON; for other text JSON.parse has the last word. */
function countMembers(text: string): number {
  let members = 0
  let depth = 0
  const end = text.length
  for (let index = 0; index < end; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) {
      for (index++; index < end; index++) {
        const inside = text.charCodeAt(index)
        if (inside === quote) break
        if (inside === backslash) index++
      }
    } else if (code === 0x3a) {
      members++
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > maxJsonDepth) return tooDeep
    } else if (code === 0x7d || code === 0x5d) {
      depth--
    }
  }
  return members
}

type Walk = { members: number; readonly escapes: boolean; fault: string | undefined }

function walkObject(object: StrictJson, walk: Walk): void {
  // A parsed object's prototype has no enumerable member, so for…in sees its own names only, and is the fast form.
  for (const name in object) {
    walk.members++
    if (name === '__proto__') walk.fault = 'a member is named __proto__'
    else if (walk.escapes) checkString(name, walk)
    const value = object[name]
    if (typeof value === 'string') {
      if (walk.escapes) checkString(value, walk)
    } else walkValue(value, walk)
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
