import { VerificationKey } from './key.ts'
import { deny } from '../core/denial.ts'
import type { Denial } from '../core/denial.ts'
import { Problem } from '../core/problem.ts'

/**
 * Where a verifier finds an issuer's keys. Made by {@link createKeySet} and `createRemoteKeySet`.
 *
 * The first two members let a cached token notice a change with two comparisons of numbers.
 */
export type KeySet = {
  /** Another number whenever a key came or went. */
  readonly generation: number
  /** From this moment on (ms since the epoch) `find` must be asked again: keys may have to be fetched. */
  readonly checkAfterMs: number
  /**
   * The one key for a token's `kid` and `alg`. `'unknown'`: there is none. `'ambiguous'`: several could be meant.
   * `'mismatch'`: the key that is meant has another algorithm. `'fetch'`: only {@link KeySet.load} can tell.
   */
  find(keyId: string | undefined, algorithm: string, nowMs: number): VerificationKey | FindFault
  /** Fetches keys; many callers share one fetch. @throws Problem `keys-unavailable` */
  load(nowMs: number): Promise<void>
}

export type FindFault = 'unknown' | 'ambiguous' | 'mismatch' | 'fetch'

/** What a token is refused with when no key was found for it. */
export function keyDenial(fault: Exclude<FindFault, 'fetch'>): Denial {
  return fault === 'mismatch' || fault === 'ambiguous' ? keyDenials[fault] : keyDenials.unknown
}

/** A key set whose keys are at hand, and may be replaced at run time. */
export type MutableKeySet = KeySet & {
  /** Replaces all keys; tokens verified by a key that is gone are refused from the next check on. */
  replace(keys: readonly VerificationKey[]): void
  readonly keys: readonly VerificationKey[]
}

/**
 * A set of keys at hand.
 *
 * @throws Problem `key-invalid` when two keys share a `kid`, or secrets and public keys are mixed: whoever reads a
 *   public set must never find a secret in it.
 * @example
 * const keySet = createKeySet([readJwk(jwk)])
 */
export function createKeySet(keys: readonly VerificationKey[]): MutableKeySet {
  return new LocalKeySet(keys)
}

/** Finds by `kid`, else by being the only key that can be meant for the algorithm; never by trying several keys. */
export class KeyTable {
  readonly keys: readonly VerificationKey[]
  readonly #byId = new Map<string, VerificationKey>()
  readonly #nameless: readonly VerificationKey[]

  constructor(keys: readonly VerificationKey[], where: string) {
    if (!Array.isArray(keys) || !keys.every(VerificationKey.is)) {
      throw new Problem('key-invalid', `${where}: expected a list of keys made by readJwk and its like`)
    }
    refuseRepeatedIds(keys, where)
    if (keys.some((key) => key.isSymmetric) && keys.some((key) => !key.isSymmetric)) {
      throw new Problem('key-invalid', `${where}: secrets and public keys must not stand in one set`)
    }
    this.keys = Object.freeze([...keys])
    for (const key of keys) if (key.keyId !== undefined) this.#byId.set(key.keyId, key)
    this.#nameless = keys.filter((key) => key.keyId === undefined)
  }

  /** Whether a key has this very `kid`. */
  has(keyId: string): boolean {
    return this.#byId.has(keyId)
  }

  find(keyId: string | undefined, algorithm: string): VerificationKey | 'unknown' | 'ambiguous' | 'mismatch' {
    if (keyId !== undefined) {
      const key = this.#byId.get(keyId)
      if (key !== undefined) return key.algorithm === algorithm ? key : 'mismatch'
    }
    const candidates = keyId === undefined ? this.keys : this.#nameless
    let found: VerificationKey | undefined
    for (const key of candidates) {
      if (key.algorithm !== algorithm) continue
      if (found !== undefined) return 'ambiguous'
      found = key
    }
    // A kid that nothing answers to, beside keys without one: the token may mean one of those by another algorithm.
    return found ?? (candidates.length > 0 ? 'mismatch' : 'unknown')
  }
}

class LocalKeySet implements MutableKeySet {
  generation = 0
  readonly checkAfterMs: number = Number.POSITIVE_INFINITY
  #table: KeyTable

  constructor(keys: readonly VerificationKey[]) {
    this.#table = new KeyTable(keys, 'key set')
  }

  get keys(): readonly VerificationKey[] {
    return this.#table.keys
  }

  find(keyId: string | undefined, algorithm: string): VerificationKey | FindFault {
    return this.#table.find(keyId, algorithm)
  }

  async load(): Promise<void> {}

  replace(keys: readonly VerificationKey[]): void {
    const { keys: checked } = new KeyTable(keys, 'key set')
    this.#table = new KeyTable(keepSame(this.#table.keys, checked), 'key set')
    this.generation++
  }
}

/** Keeps the objects of keys that stay, so that what was verified with them need not be verified again. */
export function keepSame(
  before: readonly VerificationKey[],
  after: readonly VerificationKey[],
): VerificationKey[] {
  return after.map((key) => before.find((old) => old.equals(key)) ?? key)
}

/** @throws Problem `key-invalid` when two keys could be meant by one `kid`. */
export function refuseRepeatedIds(keys: readonly VerificationKey[], where: string): void {
  const seen = new Set<string>()
  for (const { keyId } of keys) {
    if (keyId === undefined) continue
    if (seen.has(keyId)) throw new Problem('key-invalid', `${where}: two keys have one "kid"`)
    seen.add(keyId)
  }
}

// Frozen, since one object answers many requests.
const keyDenials = {
  unknown: Object.freeze(deny('key-unknown', 'the issuer has no key of that kid')),
  ambiguous: Object.freeze(
    deny('key-unknown', 'the token names no kid, and the issuer has several keys for its alg'),
  ),
  mismatch: Object.freeze(deny('algorithm-mismatch', 'alg is not the algorithm of the key')),
} as const satisfies Record<string, Denial>
