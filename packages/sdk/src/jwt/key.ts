import { constants, createHmac, sign, timingSafeEqual, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { algorithmRow } from './algorithms.ts'
import type { Algorithm, AlgorithmRow } from './algorithms.ts'
import { decodeBase64url } from '../core/base64url.ts'
import { derFromRaw, rawFromDer } from './ecdsa.ts'

/**
 * A key that verifies: material plus exactly one algorithm, for life (RFC 8725 §3.1, its successor's §3.2).
 *
 * Made only by the readers in key-readers.ts, which refuse weak material; the class is exported as a type alone,
 * so that a hand-made object does not pass for a key.
 */
export class VerificationKey {
  readonly algorithm: Algorithm
  /** The `kid` it is found by; undefined: for any token of its algorithm, when it is the only such key. */
  readonly keyId: string | undefined
  readonly #row: AlgorithmRow
  readonly #material: KeyObject
  readonly #argument: CryptoKeyArgument
  readonly #signatureBytes: number

  constructor(algorithm: Algorithm, keyId: string | undefined, material: KeyObject) {
    this.algorithm = algorithm
    this.keyId = keyId
    this.#row = algorithmRow(algorithm)
    this.#material = material
    this.#argument = cryptoArgument(this.#row, material)
    this.#signatureBytes = signatureBytes(this.#row, material)
    Object.freeze(this)
  }

  /** True for a secret shared with the signer (HMAC); such a key must never stand in a published set. */
  get isSymmetric(): boolean {
    return this.#row.family === 'hmac'
  }

  /** True when both are the same algorithm over the same material under the same key id. */
  equals(other: VerificationKey): boolean {
    return (
      this.algorithm === other.algorithm &&
      this.keyId === other.keyId &&
      this.#material.equals(other.#material)
    )
  }

  /**
   * Whether `signature` (base64url text) signs `input` (bytes, or text that is known to be ASCII).
   *
   * Never throws for a bad signature, and gives true only for the canonical spelling of a signature.
   */
  verifies(input: string | Uint8Array, signature: string): boolean {
    const row = this.#row
    if (row.family === 'hmac') return this.#verifiesMac(row, input, signature)
    const bytes = decodeBase64url(signature)
    if (bytes === undefined || bytes.length !== this.#signatureBytes) return false
    return verify(
      row.hash,
      typeof input === 'string' ? asciiBytes(input) : input,
      this.#argument,
      row.family === 'ecdsa' ? derFromRaw(bytes) : bytes,
    )
  }

  /**
   * Compares texts, not bytes: the right MAC has one canonical text, so any other spelling of it is refused by the
   * same constant-time comparison.
   */
  #verifiesMac(row: AlgorithmRow, input: string | Uint8Array, signature: string): boolean {
    const mac = createHmac(row.hash!, this.#material)
    const expected = (typeof input === 'string' ? mac.update(input, 'latin1') : mac.update(input)).digest(
      'base64url',
    )
    const length = expected.length
    if (signature.length !== length) return false
    const [left, right] = macScratch[length]!
    left.write(expected, 0, 'latin1')
    // A character above U+00FF would be cut to a byte that might match: UTF-8 writes it longer and so different.
    if (right.write(signature, 0, 'utf8') !== length) return false
    const equal = timingSafeEqual(left, right)
    left.fill(0)
    return equal
  }
}

/** A key that signs. Made only by key-readers.ts. */
export class SigningKey {
  readonly algorithm: Algorithm
  readonly keyId: string
  readonly #row: AlgorithmRow
  readonly #material: KeyObject
  readonly #argument: CryptoKeyArgument

  constructor(algorithm: Algorithm, keyId: string, material: KeyObject) {
    this.algorithm = algorithm
    this.keyId = keyId
    this.#row = algorithmRow(algorithm)
    this.#material = material
    this.#argument = cryptoArgument(this.#row, material)
    Object.freeze(this)
  }

  get isSymmetric(): boolean {
    return this.#row.family === 'hmac'
  }

  /** The signature of `input` (ASCII text) as base64url. */
  signs(input: string): string {
    const row = this.#row
    if (row.family === 'hmac') {
      return createHmac(row.hash!, this.#material).update(input, 'latin1').digest('base64url')
    }
    const bytes = sign(row.hash, Buffer.from(input, 'latin1'), this.#argument)
    return row.family === 'ecdsa'
      ? rawFromDer(bytes, row.signatureBytes >> 1).toString('base64url')
      : bytes.toString('base64url')
  }

  /** The material, for key-readers.ts alone: it exports what may be exported. */
  static material(key: SigningKey): KeyObject {
    return key.#material
  }
}

type CryptoKeyArgument =
  KeyObject | { readonly key: KeyObject; readonly padding: number; readonly saltLength: number }

function cryptoArgument(row: AlgorithmRow, key: KeyObject): CryptoKeyArgument {
  if (row.saltBytes === 0) return key
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: row.saltBytes }
}

/** How long a signature must be; for RSA the modulus decides (RFC 8017 §8.1.2), for `EdDSA` the curve. */
function signatureBytes(row: AlgorithmRow, key: KeyObject): number {
  if (row.signatureBytes > 0) return row.signatureBytes
  if (row.family === 'rsa') return (key.asymmetricKeyDetails?.modulusLength ?? 0) >> 3
  return key.asymmetricKeyType === 'ed448' ? 114 : 64
}

// Verification is synchronous from here to OpenSSL, so one buffer serves every call without an allocation per token.
const scratch = Buffer.alloc(16 * 1024)

function asciiBytes(text: string): Buffer {
  if (text.length > scratch.length) return Buffer.from(text, 'latin1')
  return scratch.subarray(0, scratch.write(text, 0, 'latin1'))
}

// The base64url lengths of 32, 48 and 64 bytes.
const macScratch: Readonly<Record<number, readonly [Buffer, Buffer]>> = {
  43: [Buffer.alloc(43), Buffer.alloc(43)],
  64: [Buffer.alloc(64), Buffer.alloc(64)],
  86: [Buffer.alloc(86), Buffer.alloc(86)],
}
