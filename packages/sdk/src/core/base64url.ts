/** Base64url without padding (RFC 4648 §5, RFC 7515 §2). */
export function encodeBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/**
 * Decodes canonical base64url, or gives undefined for anything else: padding, white space, `+` or `/`, characters
 * outside the alphabet, an impossible length, unused low bits that are not zero.
 *
 * Two spellings of one value would let one token have several texts, which defeats every list of raw tokens
 * (RFC 4648 §3.5). Node's decoder forgives all of it, so the proof is that encoding again gives the same text.
 */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}
