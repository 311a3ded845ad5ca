/** Base64url without padding (RFC 4648 §5, RFC 7515 §2). */
export function encodeBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/**
 * Decodes canonical base64url, or gives undefined for anything else: padding, white space, `+` or `/`, characters
 * outside the alphabet, an impossible length, unused low bits that are not zero.
 *
 * Two spellings of one value would let one token have several texts, which defeats every list of raw tokens
 * (RFC 4648 §3.5).
 */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.allocUnsafe((text.length * 3) >> 2)
  return decodeBase64urlInto(text, bytes) < 0 ? undefined : bytes
}

/** Like {@link decodeBase64url}, into the front of `target`: gives the number of bytes, or -1 when refused. */
export function decodeBase64urlInto(text: string, target: Buffer): number {
  const length = text.length
  const expected = (length * 3) >> 2
  const tail = length & 3
  if (tail === 1 || expected > target.length) return -1
  // Node's decoder forgives: it takes `+` and `/` for `-` and `_`, cuts wide characters to a byte, and skips or stops at
  // everything else. The first two are looked for; the rest shows in a result that is too short.
  if (text.includes('+') || text.includes('/') || Buffer.byteLength(text) !== length) return -1
  if (target.write(text, 0, 'base64url') !== expected) return -1
  if (tail === 0 || lastCharacters[tail]!.includes(text[length - 1]!)) return expected
  return -1
}

/** By the number of characters in the last group of four: those whose unused low bits are zero. */
const lastCharacters = ['', '', 'AQgw', 'AEIMQUYcgkosw048']
