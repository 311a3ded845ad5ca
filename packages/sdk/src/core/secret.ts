// The registered symbol that node:util exports, without loading node:util for it.
const inspectCustom: unique symbol = Symbol.for('nodejs.util.inspect.custom')

/**
 * Bytes that must never be printed. Every way JavaScript has of turning a value into text gives `[secret]`;
 * the bytes come out only by `reveal()`, which is easy to search for.
 *
 * @example
 * const secret = Secret.fromText(process.env.SECRET_KEY)
 * console.log(secret, `${secret}`, JSON.stringify({ secret }))   // [secret] [secret] {"secret":"[secret]"}
 */
export class Secret {
  readonly #bytes: Uint8Array

  /** @param bytes the secret's bytes; copied, so that the caller may wipe its own. */
  constructor(bytes: Uint8Array) {
    this.#bytes = Uint8Array.from(bytes)
    Object.freeze(this)
  }

  /** The UTF-8 bytes of `text`. */
  static fromText(text: string): Secret {
    return new Secret(Buffer.from(text, 'utf8'))
  }

  /** How many bytes it has; the only thing that may be said about it. */
  get byteLength(): number {
    return this.#bytes.byteLength
  }

  /** A copy of the bytes. */
  reveal(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }

  /** The bytes as UTF-8 text. */
  revealText(): string {
    return Buffer.from(this.#bytes).toString('utf8')
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [Symbol.toPrimitive](): string {
    return '[secret]'
  }

  [inspectCustom](): string {
    return '[secret]'
  }
}
