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
   * @param owner whose proof it is, where the memory is to be shared out among owners.
   * @returns true for the first use, false for a repeated one.
   * @throws Problem when it cannot be told: answer 503.
   */
  putOnce(
    scope: string,
    id: string,
    expiresAtMs: number,
    nowMs: number,
    owner?: string,
  ): boolean | Promise<boolean>
}

/**
 * Remembers ids in the memory of this process: enough for a service that runs once. Replicas that do not share a store
 * each accept a proof once.
 *
 * To forget an id early would let its proof in again, so when there is no room nothing more is accepted until some have
 * died. Half of the room is for whoever comes; the other half is shared out equally among all owners that have ids in
 * it, so that one that floods is refused alone.
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
  readonly #slices = new Map<number, Slice>()
  /** How many ids each owner has here. */
  readonly #counts = new Map<string, number>()
  #size = 0

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries
  }

  get size(): number {
    return this.#size
  }

  putOnce(scope: string, id: string, expiresAtMs: number, nowMs: number, owner = ''): boolean {
    const name = `${scope}\n${id}`
    for (const [number, slice] of this.#slices) {
      if ((number + 1) * sliceMs <= nowMs) this.#forget(number, slice)
      else if (slice.ids.has(name)) return false
    }
    const count = this.#counts.get(owner) ?? 0
    if (!this.#hasRoom(count)) {
      throw new Problem('proofs-full', 'the memory of used proofs is full', {
        next: 'raise maxEntries, share a store among replicas, or demand nonces, by which proofs die sooner',
        retryAfterSeconds: sliceMs / 1000,
      })
    }
    const number = Math.floor(expiresAtMs / sliceMs)
    let slice = this.#slices.get(number)
    if (slice === undefined) this.#slices.set(number, (slice = { ids: new Set(), counts: new Map() }))
    slice.ids.add(name)
    slice.counts.set(owner, (slice.counts.get(owner) ?? 0) + 1)
    this.#counts.set(owner, count + 1)
    this.#size++
    return true
  }

  #hasRoom(count: number): boolean {
    const half = this.#maxEntries / 2
    if (this.#size < half) return true
    // An owner that has nothing here yet is one more to share with.
    const owners = this.#counts.size + (count === 0 ? 1 : 0)
    return this.#size < this.#maxEntries && count < half / owners
  }

  #forget(number: number, { ids, counts }: Slice): void {
    this.#slices.delete(number)
    this.#size -= ids.size
    for (const [owner, count] of counts) {
      const left = this.#counts.get(owner)! - count
      if (left > 0) this.#counts.set(owner, left)
      else this.#counts.delete(owner)
    }
  }
}

type Slice = { readonly ids: Set<string>; readonly counts: Map<string, number> }

const sliceMs = 60_000
