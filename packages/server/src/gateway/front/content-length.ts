/**
 * Reads a Content-Length: digits only (RFC 9110 §8.6), at most 15 of them, which stays below 2^53. No sign, no list, no
 * space: each of these has been read as another length by some server.
 *
 * @returns -1 for anything else
 */
export function readLength(value: string): number {
  if (value.length === 0 || value.length > 15) return -1
  let length = 0
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return -1
    length = length * 10 + digit
  }
  return length
}
