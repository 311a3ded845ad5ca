import type { Clock } from '../core/clock.ts'
import { createDpopProof } from '../jwt/dpop-proof.ts'
import type { DpopKey } from '../jwt/dpop-proof.ts'

/**
 * Makes the proofs of one key, and remembers for each server the nonce that it last asked for (RFC 9449 §8, §9). Token
 * endpoints and services have one each: on one origin the two may hand out different nonces.
 */
export class Prover {
  readonly #key: DpopKey
  readonly #clock: Clock
  readonly #nonces = new Map<string, string>()

  constructor(key: DpopKey, clock: Clock) {
    this.#key = key
    this.#clock = clock
  }

  /** The proof for one request; a request that is sent again needs a new one. */
  proofFor(method: string, url: string, accessToken?: string): Proof {
    const nonce = this.#nonces.get(originOf(url))
    const header = createDpopProof({
      key: this.#key,
      method,
      url,
      nowMs: this.#clock(),
      ...(accessToken === undefined ? {} : { accessToken }),
      ...(nonce === undefined ? {} : { nonce }),
    })
    return { header, nonce }
  }

  /**
   * Remembers the nonce of an answer, whatever else it says. True when it is another one than the request's proof had,
   * which is when sending it again makes sense: by now others may have learnt the same nonce.
   */
  learn(url: string, headers: Headers, sent: Proof): boolean {
    const nonce = headers.get('dpop-nonce')
    const origin = originOf(url)
    // Joined by a comma they are two, and RFC 9449 §8.1 allows none in a nonce.
    if (nonce === null || nonce === '' || nonce.length > maxNonceLength || nonce.includes(',')) return false
    this.#nonces.delete(origin)
    if (this.#nonces.size >= maxOrigins) this.#nonces.delete(this.#nonces.keys().next().value!)
    this.#nonces.set(origin, nonce)
    return nonce !== sent.nonce
  }
}

/** A proof as it goes along. */
export type Proof = {
  /** The value of the `DPoP` header. */
  readonly header: string
  /** The nonce in it. */
  readonly nonce: string | undefined
}

function originOf(url: string): string {
  return new URL(url).origin
}

const maxOrigins = 100
const maxNonceLength = 512
