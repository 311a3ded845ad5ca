/**
 * The wire format of Protocol Buffers, as far as a decision needs it: fields by number, nested messages as bytes. Unknown
 * fields are passed over, as the format asks.
 */

/** @throws RangeError for bytes that are no message */
export function* fieldsOf(message: Buffer): Generator<Field> {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let scale = 1; scale <= 2 ** 63; scale *= 128) {
      const byte = message[at++]
      if (byte === undefined) throw malformed()
      // Past 2^53 a number is not exact, and none that is read here is as large.
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    throw malformed()
  }
  const take = (length: number): Buffer => {
    if (length > message.length - at) throw malformed()
    at += length
    return message.subarray(at - length, at)
  }
  while (at < message.length) {
    const tag = varint()
    const number = Math.floor(tag / 8)
    if (number === 0) throw malformed()
    switch (tag % 8) {
      case 0:
        yield { number, value: varint(), bytes: undefined }
        break
      case 1:
        take(8)
        break
      case 2:
        yield { number, value: undefined, bytes: take(varint()) }
        break
      case 5:
        take(4)
        break
      default:
        throw malformed()
    }
  }
}

export type Field =
  | { readonly number: number; readonly value: number; readonly bytes: undefined }
  | { readonly number: number; readonly value: undefined; readonly bytes: Buffer }

/** A text, bytes, or a message in a message. */
export function bytesField(number: number, content: Buffer | string): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content
  return Buffer.concat([varintBytes(number * 8 + 2), varintBytes(bytes.length), bytes])
}

/** A whole number of at least 0. */
export function numberField(number: number, value: number): Buffer {
  return Buffer.concat([varintBytes(number * 8), varintBytes(value)])
}

function varintBytes(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return Buffer.from(bytes)
}

function malformed(): RangeError {
  return new RangeError('not a message of Protocol Buffers')
}
