import { readLength } from '../front/content-length.ts'
import type { ResponseFault } from './response-parser.ts'

/** The head of a reply, as sent: names and values alternate in `headers`, order and spelling kept. */
export type ResponseHead = {
  /** The x of HTTP/1.x. */
  readonly minor: 0 | 1
  /** 100 to 599. */
  readonly status: number
  readonly headers: readonly string[]
  readonly contentLength: number | undefined
  readonly chunked: boolean
  /** The upstream will take another request on this connection (RFC 9112 §9.3). */
  readonly keepAlive: boolean
  /** Lower-case names listed in `Connection`; undefined when it names no header. */
  readonly connectionNames: readonly string[] | undefined
  /** Seconds from `Keep-Alive: timeout=…`, when the upstream tells. */
  readonly keepAliveSeconds: number | undefined
  /** Position of the first byte behind the head. */
  readonly end: number
}

/**
 * Parses a status line and headers (RFC 9112 §4, §5) out of `bytes` from `start` on.
 *
 * Strict: CRLF only, no folded lines, no space before a colon, no control characters, one Content-Length of digits,
 * and no transfer coding but `chunked`. The reason phrase is checked and dropped.
 *
 * @returns 'incomplete' when the empty line is not there yet, a fault, or the head
 */
export function parseResponseHead(bytes: Buffer, start: number): ResponseHead | 'incomplete' | ResponseFault {
  const headers: string[] = []
  let position = start
  let minor: 0 | 1 = 1
  let status = 0

  // Status line: HTTP/1.x SP 3DIGIT [SP reason] CRLF
  for (; position < start + 9; position++) {
    if (position >= bytes.length) return 'incomplete'
    const byte = bytes[position]!
    if (position === start + 7) {
      if (byte !== 0x30 && byte !== 0x31) return 'status-malformed'
      minor = byte === 0x31 ? 1 : 0
    } else if (byte !== statusPrefix[position - start]) return 'status-malformed'
  }
  for (; position < start + 12; position++) {
    if (position >= bytes.length) return 'incomplete'
    const digit = bytes[position]! - 0x30
    if (digit < 0 || digit > 9) return 'status-malformed'
    status = status * 10 + digit
  }
  if (status < 100 || status > 599) return 'status-malformed'
  if (position >= bytes.length) return 'incomplete'
  if (bytes[position] !== CR && bytes[position] !== SPACE) return 'status-malformed'
  while (position < bytes.length && valueByte[bytes[position]!] === 1) position += 1
  if (position + 1 >= bytes.length) {
    return position < bytes.length && bytes[position] !== CR ? 'status-malformed' : 'incomplete'
  }
  if (bytes[position] !== CR || bytes[position + 1] !== LF) return 'status-malformed'
  position += 2

  // First the bytes alone, then one string for the whole head that names and values are cut from: a string made
  // for each of them costs three times as much.
  let count = 0
  for (;;) {
    if (position >= bytes.length) return 'incomplete'
    if (bytes[position] === CR) {
      if (position + 1 >= bytes.length) return 'incomplete'
      if (bytes[position + 1] !== LF) return 'header-malformed'
      position += 2
      break
    }
    const nameStart = position
    while (position < bytes.length && nameByte[bytes[position]!] === 1) position += 1
    if (position >= bytes.length) return 'incomplete'
    // Also catches a folded line, which begins with a space where a name must stand.
    if (bytes[position] !== COLON || position === nameStart) return 'header-malformed'
    const nameEnd = position
    position += 1
    while (position < bytes.length && (bytes[position] === SPACE || bytes[position] === TAB)) position += 1
    const valueStart = position
    while (position < bytes.length && valueByte[bytes[position]!] === 1) position += 1
    if (position + 1 >= bytes.length) {
      return position < bytes.length && bytes[position] !== CR ? 'header-malformed' : 'incomplete'
    }
    if (bytes[position] !== CR || bytes[position + 1] !== LF) return 'header-malformed'
    let valueEnd = position
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SPACE || bytes[valueEnd - 1] === TAB))
      valueEnd -= 1
    position += 2
    if (count === mostHeaders) return 'head-oversize'
    const at = count * 4
    offsets[at] = nameStart - start
    offsets[at + 1] = nameEnd - start
    offsets[at + 2] = valueStart - start
    offsets[at + 3] = valueEnd - start
    count += 1
  }

  const text = bytes.toString('latin1', start, position)
  const framing: Framing = { contentLength: -1, chunked: false, connection: '', keepAliveValue: '' }
  for (let at = 0; at < count * 4; at += 4) {
    const name = text.slice(offsets[at], offsets[at + 1])
    const value = text.slice(offsets[at + 2], offsets[at + 3])
    headers.push(name, value)
    const fault = noteFraming(framing, name, value)
    if (fault !== undefined) return fault
  }
  const options = connectionOptions(framing.connection)
  return {
    minor,
    status,
    headers,
    contentLength: framing.contentLength === -1 ? undefined : framing.contentLength,
    chunked: framing.chunked,
    keepAlive: !options.includes('close') && (minor === 1 || options.includes('keep-alive')),
    connectionNames: options === none || options === keepAliveOnly ? undefined : options,
    keepAliveSeconds: readKeepAliveSeconds(framing.keepAliveValue),
    end: position,
  }
}

type Framing = { contentLength: number; chunked: boolean; connection: string; keepAliveValue: string }

/** Notes what decides where the body ends. Switched on length first, since this runs for every header. */
function noteFraming(head: Framing, name: string, value: string): ResponseFault | undefined {
  switch (name.length) {
    case 10: {
      const lower = name.toLowerCase()
      if (lower === 'connection') head.connection += head.connection === '' ? value : `,${value}`
      else if (lower === 'keep-alive') head.keepAliveValue = value
      return undefined
    }
    case 14:
      if (name.toLowerCase() !== 'content-length') return undefined
      if (head.contentLength !== -1) return 'length-ambiguous'
      head.contentLength = readLength(value)
      return head.contentLength === -1 ? 'length-malformed' : undefined
    case 17:
      if (name.toLowerCase() !== 'transfer-encoding') return undefined
      if (head.chunked || value.toLowerCase() !== 'chunked') return 'length-ambiguous'
      head.chunked = true
      return undefined
    default:
      return undefined
  }
}

/** The options of a Connection header, lower case. */
function connectionOptions(value: string): readonly string[] {
  if (value === '' || value === 'keep-alive') return value === '' ? none : keepAliveOnly
  return value
    .toLowerCase()
    .split(',')
    .map((option) => option.trim())
    .filter((option) => option !== '')
}

function readKeepAliveSeconds(value: string): number | undefined {
  if (value === '') return undefined
  for (const parameter of value.split(',')) {
    const [name, seconds] = parameter.trim().split('=')
    if (name?.toLowerCase() !== 'timeout' || seconds === undefined) continue
    const length = readLength(seconds)
    return length === -1 ? undefined : length
  }
  return undefined
}

/** 1 for each byte of `allowed`. */
function byteTable(allows: (byte: number) => boolean): Uint8Array {
  const table = new Uint8Array(256)
  for (let byte = 0; byte < 256; byte++) table[byte] = allows(byte) ? 1 : 0
  return table
}

const CR = 0x0d
const LF = 0x0a
const SPACE = 0x20
const TAB = 0x09
const COLON = 0x3a
const none: readonly string[] = []
const keepAliveOnly: readonly string[] = ['keep-alive']
const mostHeaders = 256
/** Where the names and values of the head at hand stand: four numbers a header. Used only within one call. */
const offsets = new Uint32Array(mostHeaders * 4)
const statusPrefix = Buffer.from('HTTP/1.1 ', 'latin1')
/** RFC 9110 §5.6.2: tchar. */
const nameByte = byteTable(
  (byte) => /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(byte)) && byte < 128,
)
/** RFC 9110 §5.5: VCHAR, obs-text, space and tab. */
const valueByte = byteTable((byte) => byte === 0x09 || (byte >= 0x20 && byte !== 0x7f))
