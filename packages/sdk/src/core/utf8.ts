import { isAscii, isUtf8 } from 'node:buffer'

/** The text of UTF-8 bytes, or undefined when they are not UTF-8 or begin with a byte order mark (RFC 8259 §8.1). */
export function decodeUtf8(bytes: Buffer): string | undefined {
  // Nearly all tokens are ASCII, and one byte per character is the cheapest string to make and to scan.
  if (isAscii(bytes)) return bytes.toString('latin1')
  if (!isUtf8(bytes)) return undefined
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return undefined
  return bytes.toString('utf8')
}
