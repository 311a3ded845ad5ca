import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'

/**
 * Where the ids of proofs are remembered, so that each counts once (RFC 9449 §11.1). The one in memory answers at once;
 * one that replicas share may answer later, and must then decide in one atomic step.
 */
export type ProofReplays = {
  /**
   * Marks `id` as used.
   *
   * @param scope whose ids these are; equal ids in two scopes do not meet.
   * @param expiresAtMs until when the mark counts, milliseconds since the epoch.
   * @returns true for the first use, false for a repeated one.
   * @throws Problem when it cannot be told: answer 503.
   */
  putOnce(scope: string, id: string, expiresAtMs: number, nowMs: number): boolean | Promise<boolean>
}

/**
 * Remembers ids in the memory of this process: enough for a service that runs once. Replicas that do not share a store
 * each accept a proof once.
 *
 * When it is full nothing more is accepted until some ids have died: to forget one early would let its proof in again.
 *
 * @param options.maxEntries how many ids are kept, about 100 bytes each; 500,000 unless given.
 * @throws Problem `option-invalid`, `option-unknown`; from `putOnce` `proofs-full`.
 * @example
 * const replays = createProofReplays({ maxEntries: 100_000 })
 */
export function createProofReplays(
  options: { readonly maxEntries?: number } = {},
): ProofReplays & { readonly size: number } {
  refuseUnknownOptions('createProofReplays', options, ['maxEntries'])
  const { maxEntries = 500_000 } = options
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) {
    throw new Problem('option-invalid', 'createProofReplays: maxEntries must be a whole number from 1 on')
  }
  return new MemoryReplays(maxEntries)
}

/** Ids are kept by the minute in which they die, so that they are forgotten a minute at a time and never one by one. */
class MemoryReplays implements ProofReplays {
  readonly #maxEntries: number
  readonly #slices = new Map<number, Set<string>>()
  #size = 0

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries
  }

  get size(): number {
    return this.#size
  }

  putOnce(scope: string, id: string, expiresAtMs: number, nowMs: number): boolean {
    const name = `${scope}\n${id}`
    for (const [number, ids] of this.#slices) {
      if ((number + 1) * sliceMs <= nowMs) {
        this.#slices.delete(number)
        this.#size -= ids.size
      } else if (ids.has(name)) return false
    }
    if (this.#size >= this.#maxEntries) {
      throw new Problem('proofs-full', 'the memory of used proofs is full', {
        next: 'raise maxEntries, share a store among replicas, or demand nonces, by which proofs die sooner',
        retryAfterSeconds: sliceMs / 1000,
      })
    }
    const number = Math.floor(expiresAtMs / sliceMs)
    let slice = this.#slices.get(number)
    if (slice === undefined) this.#slices.set(number, (slice = new Set()))
    slice.add(name)
    this.#size++
    return true
  }
}

const sliceMs = 60_000
