/**
 * ECDSA signatures between the two forms they have: r‖s of fixed width (JWS, RFC 7518 §3.4) and DER (OpenSSL).
 *
 * node:crypto takes both, but is a third faster in DER than when asked for `ieee-p1363`; hence this file.
 */

/**
 * r‖s → DER `SEQUENCE { INTEGER r, INTEGER s }`. The caller has checked the length; r and s of zero stay zero.
 *
 * Gives a view of a shared buffer: read it before the next call.
 */
export function derFromRaw(raw: Uint8Array): Uint8Array {
  const width = raw.length >> 1
  let r = 0
  while (r < width - 1 && raw[r] === 0) r++
  let s = width
  while (s < raw.length - 1 && raw[s] === 0) s++
  // A leading one bit would make the INTEGER negative: such a number gets a zero byte in front.
  const rPad = raw[r]! >> 7
  const sPad = raw[s]! >> 7
  const rLength = width - r + rPad
  const sLength = raw.length - s + sPad
  const body = rLength + sLength + 4
  // Only P-521 needs the long form of the length.
  const head = body > 127 ? 3 : 2
  const der = derViews[head + body]!
  let at = 0
  der[at++] = 0x30
  if (head === 3) der[at++] = 0x81
  der[at++] = body
  der[at++] = 0x02
  der[at++] = rLength
  if (rPad > 0) der[at++] = 0
  while (r < width) der[at++] = raw[r++]!
  der[at++] = 0x02
  der[at++] = sLength
  if (sPad > 0) der[at++] = 0
  while (s < raw.length) der[at++] = raw[s++]!
  return der
}

/**
 * DER as OpenSSL writes it → r‖s, each `width` bytes wide. Only for signatures made here: DER is not checked.
 *
 * Gives a view of a shared buffer: read it before the next call.
 */
export function rawFromDer(der: Uint8Array, width: number): Buffer {
  const raw = rawViews[width * 2]!
  raw.fill(0)
  let at = der[1]! & 0x80 ? 3 : 2
  at = copyInteger(der, at, raw, width)
  copyInteger(der, at, raw, width * 2)
  return raw
}

/** Copies the INTEGER at `at` so that it ends before `end`; gives the place behind it. */
function copyInteger(der: Uint8Array, at: number, raw: Buffer, end: number): number {
  const next = at + 2 + der[at + 1]!
  let from = at + 2
  if (der[from] === 0) from++
  for (let to = end - (next - from); from < next;) raw[to++] = der[from++]!
  return next
}

// A small array made for one call lives inside V8's heap, and handing it to OpenSSL moves it out: eight microseconds,
// a tenth of the whole verification. These have been outside from the start. P-521 needs the most.
const derViews = viewsOf(Buffer.alloc(141))
const rawViews = viewsOf(Buffer.alloc(132))

/** The first byte, the first two bytes and so on. */
function viewsOf(buffer: Buffer): readonly Buffer[] {
  return Array.from({ length: buffer.length + 1 }, (_, length) => buffer.subarray(0, length))
}
