import { Problem } from '@countersign/sdk/core'
import type { Secret } from '@countersign/sdk/core'
import {
  createSigner,
  generateSigningKey,
  privateJwk,
  publicJwk,
  readPrivateJwk,
  verificationKey,
} from '@countersign/sdk/jwt'
import type { Algorithm, Jwk, Signer, SigningKey, VerificationKey } from '@countersign/sdk/jwt'
import type { KeyRecord } from '../../store/store.ts'
import type { KeySeal } from './key-seal.ts'
import type { FreshKey, RingView } from './rotate.ts'

/** The keys of the ring in the clear, opened once each. */
export class OpenKeys {
  readonly #seal: KeySeal
  readonly #opened = new Map<string, OpenKey>()
  #spare: { readonly key: SigningKey; readonly fresh: FreshKey } | undefined

  constructor(seal: KeySeal) {
    this.#seal = seal
  }

  /** Opens what is not open yet. Throws at the first key that does not open; nobody has written anything then. */
  open(records: readonly KeyRecord[]): void {
    for (const { keyId, algorithm, sealedKey } of records) {
      if (sealedKey === undefined || this.#opened.has(keyId)) continue
      const key =
        this.#spare?.fresh.keyId === keyId
          ? this.#spare.key
          : readSealed(this.#seal.open(sealedKey, { keyId, algorithm }), keyId, algorithm)
      // The public half comes from the sealed private one: what else is in the store could have been put there.
      this.#opened.set(keyId, {
        key,
        signer: createSigner({ key }),
        verification: verificationKey(key),
        jwk: Object.freeze(publicJwk(key)),
      })
    }
    if (this.#spare !== undefined && this.#opened.has(this.#spare.fresh.keyId)) this.#spare = undefined
  }

  /** A new sealed key; the same one again until it is used, since making one can take a second (RSA). */
  fresh(algorithm: Algorithm): FreshKey {
    if (this.#spare === undefined) {
      const key = generateSigningKey(algorithm)
      this.#spare = { key, fresh: this.seal(key) }
    }
    return this.#spare.fresh
  }

  /** A key that was made elsewhere, sealed for the store. */
  seal(key: SigningKey): FreshKey {
    const label = { keyId: key.keyId, algorithm: key.algorithm }
    return { ...label, sealedKey: this.#seal.seal(privateJwk(key), label) }
  }

  signer(record: KeyRecord): Signer {
    return this.#openKey(record).signer
  }

  signingKey(record: KeyRecord): SigningKey {
    return this.#openKey(record).key
  }

  publish(view: RingView): {
    readonly jwks: readonly Jwk[]
    readonly verification: readonly VerificationKey[]
  } {
    const published = view.published.map((record) => this.#openKey(record))
    return {
      jwks: Object.freeze(published.map(({ jwk }) => jwk)),
      verification: published.map(({ verification }) => verification),
    }
  }

  /** Lets go of private keys that no record holds any more. */
  forgetExcept(records: readonly KeyRecord[]): void {
    const kept = new Set(records.filter(({ sealedKey }) => sealedKey !== undefined).map(({ keyId }) => keyId))
    for (const keyId of this.#opened.keys()) if (!kept.has(keyId)) this.#opened.delete(keyId)
  }

  #openKey(record: KeyRecord): OpenKey {
    const key = this.#opened.get(record.keyId)
    if (key === undefined)
      throw new Problem('key-invalid', `signing key ${record.keyId} has no private half on record`)
    return key
  }
}

type OpenKey = {
  readonly key: SigningKey
  readonly signer: Signer
  readonly verification: VerificationKey
  readonly jwk: Jwk
}

function readSealed(text: Secret, keyId: string, algorithm: string): SigningKey {
  let jwk: unknown
  try {
    jwk = JSON.parse(text.revealText())
  } catch {
    // Without its cause: the parser's message quotes what it was given.
    throw new Problem('key-invalid', `signing key ${keyId} in the store is not readable`)
  }
  const key = readPrivateJwk(jwk)
  if (key.keyId !== keyId || key.algorithm !== algorithm) {
    throw new Problem('key-invalid', `signing key ${keyId} in the store is another key than its record says`)
  }
  return key
}
