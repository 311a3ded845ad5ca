import { constants, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { algorithmRow } from './algorithms.ts'
import type { Algorithm, AlgorithmRow } from './algorithms.ts'
import { decodeBase64urlInto } from '../core/base64url.ts'
import { derFromRaw, rawFromDer } from './ecdsa.ts'
import { Hmac } from './hmac.ts'

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
  // What is verified at the moment: verification waits for nothing, so one buffer serves every call.
  readonly #signature: Buffer
  readonly #hmac: Hmac | undefined

  constructor(algorithm: Algorithm, keyId: string | undefined, material: KeyObject) {
    this.algorithm = algorithm
    this.keyId = keyId
    this.#row = algorithmRow(algorithm)
    this.#material = material
    this.#argument = cryptoArgument(this.#row, material)
    this.#signature = Buffer.alloc(signatureBytes(this.#row, material))
    this.#hmac = hmacOf(this.#row, material)
    Object.freeze(this)
  }

  /** True for a key of our own making; a look-alike, or an object that inherits from one, has no row and no material. */
  static is(value: unknown): value is VerificationKey {
    return typeof value === 'object' && value !== null && #row in value
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
    if (this.#hmac !== undefined) return this.#hmac.verifies(input, signature)
    const bytes = this.#signature
    if (decodeBase64urlInto(signature, bytes) !== bytes.length) return false
    return verify(
      row.hash,
      typeof input === 'string' ? asciiBytes(input) : input,
      this.#argument,
      row.family === 'ecdsa' ? derFromRaw(bytes) : bytes,
    )
  }
}

/** A key that signs. Made only by key-readers.ts. */
export class SigningKey {
  readonly algorithm: Algorithm
  readonly keyId: string
  readonly #row: AlgorithmRow
  readonly #material: KeyObject
  readonly #argument: CryptoKeyArgument
  readonly #hmac: Hmac | undefined

  constructor(algorithm: Algorithm, keyId: string, material: KeyObject) {
    this.algorithm = algorithm
    this.keyId = keyId
    this.#row = algorithmRow(algorithm)
    this.#material = material
    this.#argument = cryptoArgument(this.#row, material)
    this.#hmac = hmacOf(this.#row, material)
    Object.freeze(this)
  }

  get isSymmetric(): boolean {
    return this.#row.family === 'hmac'
  }

  /** The signature of `input` (bytes, or text that is known to be ASCII) as base64url. */
  signs(input: string | Uint8Array): string {
    const row = this.#row
    if (this.#hmac !== undefined) return this.#hmac.mac(input)
    const message = typeof input === 'string' ? asciiBytes(input) : input
    const bytes = sign(row.hash, message, this.#argument)
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

function hmacOf(row: AlgorithmRow, key: KeyObject): Hmac | undefined {
  return row.family === 'hmac' ? new Hmac(row.hash!, key.export()) : undefined
}

/** How long a signature must be; for RSA the modulus decides (RFC 8017 §8.1.2), for `EdDSA` the curve. */
function signatureBytes(row: AlgorithmRow, key: KeyObject): number {
  if (row.signatureBytes > 0) return row.signatureBytes
  if (row.family === 'rsa') return ((key.asymmetricKeyDetails?.modulusLength ?? 0) + 7) >> 3
  return key.asymmetricKeyType === 'ed448' ? 114 : 64
}

// Everything is synchronous from here to OpenSSL, so one buffer serves every call without an allocation per token.
const scratch = Buffer.alloc(16 * 1024)

function asciiBytes(text: string): Buffer {
  if (text.length > scratch.length) return Buffer.from(text, 'latin1')
  return scratch.subarray(0, scratch.write(text, 0, 'latin1'))
}
