import { maxJsonDepth } from '../../packages/sdk/src/core/json.ts'

// What strict JSON and base64url are, written down as slowly and plainly as can be, to hold the fast forms against.

/** A value, or undefined inside `{ refused }`: a parsed value may itself be anything. */
export type Reading = { readonly value: unknown } | { readonly refused: string }

/** Strict JSON objects out of bytes: RFC 8259 with everything refused that two parsers could read differently. */
export function naiveJsonObject(bytes: Uint8Array): Reading {
  const points = decodeUtf8(bytes)
  if (points === undefined) return { refused: 'not UTF-8' }
  const reader = new Reader(points)
  try {
    const value = reader.document()
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? { value }
      : { refused: 'not an object' }
  } catch (thrown) {
    if (thrown instanceof Refused) return { refused: thrown.message }
    throw thrown
  }
}

/** The bytes of canonical base64url, or undefined. */
export function naiveBase64url(text: string): Uint8Array | undefined {
  const bytes: number[] = []
  let value = 0
  let bits = 0
  for (let index = 0; index < text.length; index++) {
    const six = alphabet.indexOf(text.charAt(index))
    if (six < 0) return undefined
    value = value * 64 + six
    bits += 6
    if (bits < 8) continue
    bits -= 8
    bytes.push(value >> bits)
    value &= (1 << bits) - 1
  }
  // One character alone is no byte, and what is left over has to be zero.
  return bits === 6 || value !== 0 ? undefined : Uint8Array.from(bytes)
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** RFC 3629 by its table of well-formed sequences. */
function decodeUtf8(bytes: Uint8Array): number[] | undefined {
  const points: number[] = []
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at]!
    const length =
      first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0
    if (length === 0 || at + length > bytes.length) return undefined
    let point = length === 1 ? first : first & (0xff >> (length + 1))
    for (let next = 1; next < length; next++) {
      const byte = bytes[at + next]!
      if (byte < 0x80 || byte > 0xbf) return undefined
      point = point * 64 + (byte & 0x3f)
    }
    const least = [0, 0, 0x80, 0x800, 0x10000][length]!
    if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return undefined
    points.push(point)
    at += length
  }
  return points
}

class Refused extends Error {}

class Reader {
  readonly #points: readonly number[]
  #at = 0

  constructor(points: readonly number[]) {
    this.#points = points
  }

  document(): unknown {
    const value = this.#value(0)
    this.#space()
    if (this.#at < this.#points.length) throw new Refused('more after the value')
    return value
  }

  #value(depth: number): unknown {
    this.#space()
    const next = this.#peek()
    if (next === '{') return this.#object(depth + 1)
    if (next === '[') return this.#array(depth + 1)
    if (next === '"') return this.#string()
    if (next === '-' || isDigit(next)) return this.#number()
    for (const [word, value] of words) {
      if (next !== word.charAt(0)) continue
      for (const letter of word) this.#take(letter)
      return value
    }
    throw new Refused('no value')
  }

  #object(depth: number): Record<string, unknown> {
    if (depth > maxJsonDepth) throw new Refused('too deep')
    const object: Record<string, unknown> = {}
    const seen = new Set<string>()
    this.#take('{')
    this.#space()
    if (this.#skip('}')) return object
    do {
      this.#space()
      const name = this.#string()
      if (seen.has(name)) throw new Refused('a name twice')
      if (name === '__proto__') throw new Refused('__proto__')
      if (/["\\\u0000-\u001f]/.test(name)) throw new Refused('an odd name')
      seen.add(name)
      this.#space()
      this.#take(':')
      object[name] = this.#value(depth)
      this.#space()
    } while (this.#skip(','))
    this.#take('}')
    return object
  }

  #array(depth: number): unknown[] {
    if (depth > maxJsonDepth) throw new Refused('too deep')
    const array: unknown[] = []
    this.#take('[')
    this.#space()
    if (this.#skip(']')) return array
    do {
      array.push(this.#value(depth))
      this.#space()
    } while (this.#skip(','))
    this.#take(']')
    return array
  }

  #string(): string {
    this.#take('"')
    let text = ''
    for (;;) {
      const point = this.#points[this.#at++]
      if (point === undefined || point < 0x20) throw new Refused('in a string')
      if (point === 0x22) break
      text += point === 0x5c ? String.fromCharCode(this.#escape()) : String.fromCodePoint(point)
    }
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index)
      if (unit === 0) throw new Refused('NUL')
      if (unit >= 0xdc00 && unit <= 0xdfff) throw new Refused('half a pair')
      if (unit >= 0xd800 && unit <= 0xdbff) {
        const low = text.charCodeAt(++index)
        if (!(low >= 0xdc00 && low <= 0xdfff)) throw new Refused('half a pair')
      }
    }
    return text
  }

  #escape(): number {
    const letter = this.#peek()
    this.#at++
    if (letter === 'u') {
      let unit = 0
      for (let digit = 0; digit < 4; digit++) {
        const value = '0123456789abcdef'.indexOf(this.#peek().toLowerCase())
        if (value < 0 || this.#peek() === '') throw new Refused('an escape')
        unit = unit * 16 + value
        this.#at++
      }
      return unit
    }
    const meant = letter === '' ? undefined : escapes[letter]
    if (meant === undefined) throw new Refused('an escape')
    return meant.charCodeAt(0)
  }

  #number(): number {
    let text = this.#skip('-') ? '-' : ''
    if (this.#skip('0')) text += '0'
    else text += this.#digits()
    if (this.#skip('.')) text += `.${this.#digits()}`
    if (this.#skip('e') || this.#skip('E')) {
      text += 'e'
      if (this.#skip('-')) text += '-'
      else this.#skip('+')
      text += this.#digits()
    }
    const value = Number(text)
    if (!Number.isFinite(value)) throw new Refused('out of range')
    return value
  }

  #digits(): string {
    let text = ''
    while (isDigit(this.#peek())) text += String.fromCodePoint(this.#points[this.#at++]!)
    if (text === '') throw new Refused('no digits')
    return text
  }

  #space(): void {
    while (space.includes(this.#points[this.#at] ?? 0)) this.#at++
  }

  #peek(): string {
    const point = this.#points[this.#at]
    return point === undefined ? '' : String.fromCodePoint(point)
  }

  #skip(letter: string): boolean {
    if (this.#peek() !== letter) return false
    this.#at++
    return true
  }

  #take(letter: string): void {
    if (!this.#skip(letter)) throw new Refused(`no ${letter}`)
  }
}

function isDigit(letter: string): boolean {
  return letter.length === 1 && letter >= '0' && letter <= '9'
}

const space = [0x20, 0x09, 0x0a, 0x0d]
const words: readonly (readonly [string, unknown])[] = [
  ['null', null],
  ['true', true],
  ['false', false],
]
const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}
