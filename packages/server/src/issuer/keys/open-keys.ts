import { parseStrictJson, Problem, Secret } from '@countersign/sdk/core'
import type { StrictJson } from '@countersign/sdk/core'
import {
  createExternalSigner,
  createSigner,
  generateSigningKey,
  privateJwk,
  publicJwk,
  readPrivateJwk,
  verificationKey,
} from '@countersign/sdk/jwt'
import type {
  Algorithm,
  ExternalSigner,
  Jwk,
  Signer,
  SigningKey,
  VerificationKey,
} from '@countersign/sdk/jwt'
import type { KeyRecord } from '../../store/store.ts'
import { createExternalKeys, isExternal } from './external-keys.ts'
import type { ExternalKey, ExternalKeys } from './external-keys.ts'
import type { KeySeal } from './key-seal.ts'
import type { FreshKey, RingView } from './rotate.ts'

/** The keys of the ring in the clear, opened once each. */
export class OpenKeys {
  readonly #seal: KeySeal
  readonly #external: ExternalKeys | undefined
  /** Those elsewhere that have been seen to sign. */
  readonly #proven = new Set<string>()
  readonly #opened = new Map<string, OpenKey>()
  #spare: { readonly key: SigningKey; readonly fresh: FreshKey } | undefined

  /** @param external where keys are that are not here */
  constructor(seal: KeySeal, external?: ExternalKeys) {
    this.#seal = seal
    this.#external = external
  }

  /** Opens what is not open yet. Throws at the first key that does not open; nobody has written anything then. */
  open(records: readonly KeyRecord[]): void {
    for (const { keyId, algorithm, sealedKey } of records) {
      if (sealedKey === undefined || this.#opened.has(keyId)) continue
      // The public half comes from what was sealed: what else is in the store could have been put there.
      this.#opened.set(
        keyId,
        this.#spare?.fresh.keyId === keyId
          ? openLocal(this.#spare.key)
          : this.#read(this.#seal.open(sealedKey, { keyId, algorithm }), keyId, algorithm),
      )
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

  /** A key that is elsewhere, for the store: its public half, which is sealed as well so that nobody plants one there. */
  sealExternal({ keyId, algorithm, jwk }: ExternalKey): FreshKey {
    const label = { keyId, algorithm }
    return { ...label, sealedKey: this.#seal.seal(Secret.fromText(JSON.stringify({ external: jwk })), label) }
  }

  /** @throws Problem `signer-missing` or `signer-unavailable` for a key that is elsewhere */
  signer(record: KeyRecord): Signer | ExternalSigner {
    return this.#reachable(record).signer
  }

  /** @throws Problem as `signer` */
  signingKey(record: KeyRecord): SigningKey | ExternalKey {
    return this.#reachable(record).key
  }

  isExternal(record: KeyRecord): boolean {
    const opened = this.#opened.get(record.keyId)
    return opened !== undefined && isExternal(opened.key)
  }

  /** The key of this record if it is elsewhere and has not been seen to sign. */
  unproven(record: KeyRecord): ExternalKey | undefined {
    const key = this.#opened.get(record.keyId)?.key
    return key === undefined || !isExternal(key) || this.#proven.has(record.keyId) ? undefined : key
  }

  proven(record: KeyRecord): void {
    this.#proven.add(record.keyId)
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

  #reachable(record: KeyRecord): OpenKey {
    const opened = this.#openKey(record)
    if (!isExternal(opened.key)) return opened
    if (this.#external === undefined) throw signerMissing(record.keyId)
    this.#external.refuseDown()
    return opened
  }

  #read(text: Secret, keyId: string, algorithm: string): OpenKey {
    const jwk = readSealed(text, keyId)
    const outside = jwk['external']
    const opened = outside === undefined ? openLocal(readPrivateJwk(jwk)) : this.#openExternal(outside, keyId)
    if (opened.key.keyId !== keyId || opened.key.algorithm !== algorithm) {
      throw new Problem(
        'key-invalid',
        `signing key ${keyId} in the store is another key than its record says`,
      )
    }
    return opened
  }

  #openExternal(jwk: unknown, keyId: string): OpenKey {
    const key = (this.#external ?? nobody).read(jwk, `signing key ${keyId} in the store`)
    const { algorithm, verification } = key
    const signer = createExternalSigner({ algorithm, keyId: key.keyId, sign: (input) => key.sign(input) })
    return { key, signer, verification, jwk: key.jwk }
  }

  #openKey(record: KeyRecord): OpenKey {
    const key = this.#opened.get(record.keyId)
    if (key === undefined)
      throw new Problem('key-invalid', `signing key ${record.keyId} has no private half on record`)
    return key
  }
}

type OpenKey = {
  readonly key: SigningKey | ExternalKey
  readonly signer: Signer | ExternalSigner
  readonly verification: VerificationKey
  readonly jwk: Jwk
}

function openLocal(key: SigningKey): OpenKey {
  return {
    key,
    signer: createSigner({ key }),
    verification: verificationKey(key),
    jwk: Object.freeze(publicJwk(key)),
  }
}

function readSealed(text: Secret, keyId: string): StrictJson {
  const jwk = parseStrictJson(text.revealText())
  if (typeof jwk !== 'string') return jwk
  throw new Problem('key-invalid', `signing key ${keyId} in the store is not readable: ${jwk}`)
}

function signerMissing(keyId: string): Problem {
  return new Problem(
    'signer-missing',
    `signing key ${keyId} is held by an external signer, and none is set`,
    {
      next: 'put issuer.keys.external back; with leave: true the issuer makes its own keys again, and then it may go',
    },
  )
}

/** Reads keys that are only published any more. */
const nobody = createExternalKeys({
  ask: async () => {
    throw signerMissing('elsewhere')
  },
  isRunning: () => false,
  close: async () => {},
})
