import { isProblem } from '@countersign/sdk/core'
import { createProofReplays } from '@countersign/sdk/jwt'
import { createTokenBuckets } from '../../token-bucket.ts'
import type { TokenBuckets } from '../../token-bucket.ts'
import type { Answer, Ask } from './messages.ts'

/**
 * Answers what workers ask: a proof counts once among all of them, and a limit is one limit. Kept in the primary, so that
 * it outlives every worker.
 *
 * @example
 * const answers = createSharedAnswers()
 * worker.send({ kind: 'answers', answers: asks.map((ask) => answers.answer(ask)) })
 */
export function createSharedAnswers(): { answer(ask: Ask): Answer; readonly buckets: number } {
  const replays = createProofReplays()
  const limits = new Map<string, Limit>()

  const bucketsFor = (name: string, burst: number, perSecond: number, nowMs: number): TokenBuckets => {
    const known = limits.get(name)
    if (known !== undefined) {
      known.usedMs = nowMs
      return known.buckets
    }
    // Whoever has not been asked for as long as a bucket takes to fill has full ones only, and a full one is like none.
    for (const [other, { usedMs, fullAfterMs }] of limits) {
      if (usedMs + fullAfterMs < nowMs) limits.delete(other)
    }
    const buckets = createTokenBuckets({ burst, perSecond })
    limits.set(name, { buckets, usedMs: nowMs, fullAfterMs: ((burst + 1) / perSecond) * 1000 })
    return buckets
  }
  return {
    answer(ask) {
      const { id, nowMs } = ask
      if (ask.kind === 'take') {
        const { bucket, burst, perSecond, key } = ask
        // By its rate as well: while a changed file makes its way to all workers, there are two of them.
        const buckets = bucketsFor(`${bucket} ${burst} ${perSecond}`, burst, perSecond, nowMs)
        return { id, told: buckets.spend(key, nowMs) }
      }
      try {
        const { scope, proof, expiresAtMs, owner } = ask
        return { id, told: replays.putOnce(scope, proof, expiresAtMs, nowMs, owner) === true }
      } catch (error) {
        if (isProblem(error)) return { id, told: 'full' }
        throw error
      }
    },
    get buckets() {
      return limits.size
    },
  }
}

type Limit = { readonly buckets: TokenBuckets; usedMs: number; readonly fullAfterMs: number }
