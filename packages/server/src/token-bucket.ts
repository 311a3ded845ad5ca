import { randomBytes } from 'node:crypto'

/** Lets each key do something so and so often; the rest has to wait. */
export type TokenBuckets = {
  /**
   * Takes one token out of a key's bucket.
   *
   * @param nowMs milliseconds since the epoch, or on any scale that is always the same
   * @returns 0 when there was one, else after how many milliseconds there will be one; then nothing was taken
   */
  take(key: string, nowMs: number): number
  /** The same, but where there was one, minus the milliseconds until the bucket is full again. */
  spend(key: string, nowMs: number): number
  /** How many keys are remembered; for metrics and tests. */
  readonly size: number
}

export type TokenBucketOptions = {
  /** How many tokens a second are put into each bucket. */
  readonly perSecond: number
  /** How many fit into a bucket, and are in it at first. */
  readonly burst: number
  /** How many keys are remembered by themselves. */
  readonly entries?: number
}

/**
 * Token buckets by key, in bounded memory. Of each bucket only one number is kept: the moment at which it will be full
 * again (GCRA, as ATM Forum TM 4.0 §4.4.2 calls it). A full bucket is like none, so it is forgotten first.
 *
 * Whoever floods us with ever new keys cannot push out the bucket of somebody who has to wait, nor take anything from
 * those who are known: when no more keys can be remembered, new ones share a fixed number of buckets, by a hash that
 * nobody outside can compute.
 *
 * A clock that is set back makes nobody wait longer than one empty bucket takes to fill.
 *
 * @example
 * const limit = createTokenBuckets({ perSecond: 10, burst: 20 })
 * const waitMs = limit.take(addressKey('2001:db8::1'), Date.now())
 * if (waitMs > 0) return tooManyRequests(Math.ceil(waitMs / 1000))
 */
export function createTokenBuckets({ perSecond, burst, entries = 10_000 }: TokenBucketOptions): TokenBuckets {
  const msPerToken = 1000 / perSecond
  const depthMs = burst * msPerToken
  // Longest untouched first.
  const fullAgainMs = new Map<string, number>()
  const shared = new Float64Array(sharedBuckets)
  const seed = randomBytes(4).readInt32LE()

  /** The moment the bucket is full again after one more token; negative: minus the wait for one. */
  const after = (fullAtMs: number, nowMs: number): number => {
    // Emptier than empty: the clock was set back, which is nobody's fault.
    const from = fullAtMs > nowMs + depthMs + msPerToken ? nowMs : Math.max(nowMs, fullAtMs)
    const next = from + msPerToken
    // Sums of fractions: a thousandth of a millisecond too much is no excess.
    const waitMs = next - depthMs - nowMs
    return waitMs > 0.001 ? -waitMs : next
  }
  const makeRoom = (nowMs: number): boolean => {
    let looked = 0
    for (const [key, atMs] of fullAgainMs) {
      if (atMs <= nowMs || atMs > nowMs + depthMs + msPerToken) fullAgainMs.delete(key)
      if (++looked === lookedAtOnce) break
    }
    return fullAgainMs.size < entries
  }

  const spend = (key: string, nowMs: number): number => {
    const known = fullAgainMs.get(key)
    if (known === undefined && fullAgainMs.size >= entries && !makeRoom(nowMs)) {
      const slot = hashOf(key, seed) & (sharedBuckets - 1)
      const next = after(shared[slot]!, nowMs)
      if (next < 0) return -next
      shared[slot] = next
      return nowMs - next
    }
    const next = after(known ?? nowMs, nowMs)
    if (known !== undefined) fullAgainMs.delete(key)
    // Who has to wait is remembered as it was, at the end of the line.
    fullAgainMs.set(key, next < 0 ? (known ?? nowMs) : next)
    return next < 0 ? -next : nowMs - next
  }

  return {
    take: (key, nowMs) => Math.max(0, spend(key, nowMs)),
    spend,
    get size() {
      return fullAgainMs.size
    },
  }
}

/** FNV-1a, begun at a random place. */
function hashOf(key: string, seed: number): number {
  let hash = seed
  for (let index = 0; index < key.length; index++) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  }
  return hash ^ (hash >>> 15)
}

/** A power of two. */
const sharedBuckets = 1024
const lookedAtOnce = 8
