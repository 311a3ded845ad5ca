import type { X509Certificate } from 'node:crypto'

/** A distinguished name: types in capitals and values, the most significant last, as RFC 4514 writes it. */
export type DistinguishedName = readonly (readonly [type: string, value: string])[]

/**
 * Reads a distinguished name as RFC 4514 writes it: `CN=orders,O=Acme,C=DE`.
 *
 * @returns undefined for what is none, and for parts with several types (`CN=a+O=b`), which are compared nowhere.
 */
export function readDistinguishedName(text: string): DistinguishedName | undefined {
  return readParts(splitEscaped(text, ','))
}

/**
 * Whether a certificate's subject is exactly this name: every part in its place, and no other. Values are compared as
 * they are, where RFC 4517 would fold their case: what an authority has written is known.
 */
export function hasSubject(certificate: X509Certificate, name: DistinguishedName): boolean {
  // Node writes one part a line, the most significant first; line breaks in values are escaped.
  const subject = readParts((certificate.subject ?? '').split('\n').reverse())
  return subject !== undefined && subject.length === name.length && subject.every(isAt(name))
}

/**
 * A certificate's alternative names of one kind (RFC 5280 §4.2.1.6), as they stand there.
 *
 * @returns none when any of them cannot be read, since then the others might be parts of it.
 */
export function alternativeNames(
  { subjectAltName }: Pick<X509Certificate, 'subjectAltName'>,
  kind: keyof typeof labels,
): readonly string[] {
  const names: string[] = []
  let rest = subjectAltName ?? ''
  while (rest !== '') {
    const colon = rest.indexOf(':')
    if (colon === -1) return []
    const label = rest.slice(0, colon)
    const value = readValue(rest.slice(colon + 1))
    if (value === undefined) return []
    if (label === labels[kind]) names.push(value.text)
    rest = value.rest
  }
  return names
}

function isAt(name: DistinguishedName) {
  return ([type, value]: DistinguishedName[number], index: number): boolean =>
    name[index]![0] === type && name[index]![1] === value
}

function readParts(parts: readonly string[]): DistinguishedName | undefined {
  const read = parts.map(readPart)
  return read.every((part) => part !== undefined) ? read : undefined
}

function readPart(part: string): readonly [string, string] | undefined {
  const equals = part.indexOf('=')
  const type = part.slice(0, Math.max(equals, 0)).trim().toUpperCase()
  const value = unescape(part.slice(equals + 1))
  return /^([A-Z][A-Z0-9-]*|[0-9]+(\.[0-9]+)+)$/.test(type) && value !== undefined ? [type, value] : undefined
}

/** RFC 4514 §2.4: `\,` and its like, and `\C3\A9`, which are bytes of UTF-8. */
function unescape(text: string): string | undefined {
  const bytes: number[] = []
  for (let at = 0; at < text.length;) {
    const character = text[at]!
    if (character !== '\\') {
      // These must be escaped; a plus begins another type of the same part.
      if ('"+,;<>'.includes(character)) return undefined
      const point = String.fromCodePoint(text.codePointAt(at)!)
      bytes.push(...Buffer.from(point, 'utf8'))
      at += point.length
      continue
    }
    const hex = text.slice(at + 1, at + 3)
    if (/^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16))
      at += 3
    } else if (at + 1 < text.length && ' "#+,;<=>\\'.includes(text[at + 1]!)) {
      bytes.push(text.charCodeAt(at + 1))
      at += 2
    } else return undefined
  }
  const value = Buffer.from(bytes).toString('utf8')
  return value === '' || value.includes('\ufffd') ? undefined : value
}

function splitEscaped(text: string, separator: string): string[] {
  const parts: string[] = []
  let start = 0
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === separator) {
      parts.push(text.slice(start, at))
      start = at + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}

/** One value of Node's list, which writes those with a comma or a quote as JSON. */
function readValue(rest: string): { readonly text: string; readonly rest: string } | undefined {
  if (!rest.startsWith('"')) {
    const end = rest.indexOf(', ')
    return end === -1 ? { text: rest, rest: '' } : { text: rest.slice(0, end), rest: rest.slice(end + 2) }
  }
  let end = 1
  while (end < rest.length && rest[end] !== '"') end += rest[end] === '\\' ? 2 : 1
  const after = rest.slice(end + 1)
  if (end >= rest.length || (after !== '' && !after.startsWith(', '))) return undefined
  // A name that needs quotes is compared nowhere, but the ones behind it are.
  return { text: rest.slice(0, end + 1), rest: after.slice(2) }
}

const labels = { dns: 'DNS', uri: 'URI', ip: 'IP Address', email: 'email' } as const
