import { Problem } from '../core/problem.ts'
import type { VerificationKey } from '../jwt/key.ts'
import { createKeySet } from '../jwt/key-set.ts'
import type { FindFault, KeySet, MutableKeySet } from '../jwt/key-set.ts'

/**
 * Keys in memory that can be withheld: as long as they are, nobody can decide with them, as with a remote set whose
 * endpoint cannot be reached and whose keys have grown too old.
 */
export class WithheldKeySet implements KeySet {
  readonly #issuer: string
  readonly #keys: MutableKeySet
  #isWithheld = false

  constructor(issuer: string, keys: readonly VerificationKey[]) {
    this.#issuer = issuer
    this.#keys = createKeySet(keys)
  }

  get generation(): number {
    return this.#keys.generation
  }

  /** Tokens that were verified before are asked about again. */
  get checkAfterMs(): number {
    return this.#isWithheld ? Number.NEGATIVE_INFINITY : this.#keys.checkAfterMs
  }

  find(keyId: string | undefined, algorithm: string, nowMs: number): VerificationKey | FindFault {
    return this.#isWithheld ? 'fetch' : this.#keys.find(keyId, algorithm, nowMs)
  }

  async load(): Promise<void> {
    if (!this.#isWithheld) return
    throw new Problem(
      'keys-unavailable',
      `the keys of ${this.#issuer} cannot be had: the test withholds them`,
      {
        next: 'recover() gives them back',
        // As after the first failure of a remote set.
        retryAfterSeconds: 1,
      },
    )
  }

  replace(keys: readonly VerificationKey[]): void {
    this.#keys.replace(keys)
  }

  withhold(isWithheld: boolean): void {
    this.#isWithheld = isWithheld
  }
}
