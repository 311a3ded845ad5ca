import { Problem } from '@countersign/sdk/core'
import type { GatewayShared } from '../../gateway/gateway-shared.ts'
import type { Answer, Ask } from './messages.ts'

/**
 * Asks the primary what only one process can know. What comes in the same turn of the event loop goes in one message.
 * No answer is no: whoever asks answers 503.
 *
 * @param send takes a message to the primary; false when it cannot be reached
 * @param timeoutMs how long to wait for an answer; a second unless given
 */
export function createAsking(send: (asks: readonly Ask[]) => boolean, timeoutMs = 1_000): Asking {
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  let batch: Ask[] = []

  const flush = (): void => {
    const asks = batch
    batch = []
    if (!send(asks)) for (const { id } of asks) giveUp(id)
  }
  const giveUp = (id: number): void => {
    const asked = waiting.get(id)
    if (asked === undefined) return
    waiting.delete(id)
    clearTimeout(asked.timer)
    asked.reject(
      new Problem('primary-silent', 'the primary process does not answer', {
        next: 'look at the load of this machine; without its answer no proof and no limit can be checked',
        retryAfterSeconds: 1,
      }),
    )
  }
  const ask = (question: Question): Promise<Answer['told']> =>
    new Promise((resolve, reject) => {
      const id = ++lastId
      const timer = setTimeout(() => giveUp(id), timeoutMs)
      timer.unref()
      waiting.set(id, { resolve, reject, timer })
      if (batch.length === 0) setImmediate(flush)
      batch.push({ id, ...question })
    })
  return {
    settle(answers) {
      for (const { id, told } of answers) {
        const asked = waiting.get(id)
        if (asked === undefined) continue
        waiting.delete(id)
        clearTimeout(asked.timer)
        asked.resolve(told)
      }
    },
    replays: {
      async putOnce(scope, proof, expiresAtMs, nowMs, owner) {
        const told = await ask({ kind: 'proof', scope, proof, expiresAtMs, nowMs, owner })
        if (told !== 'full') return told === true
        throw new Problem('proofs-full', 'the memory of used proofs is full', {
          next: 'demand nonces, by which proofs die sooner',
          retryAfterSeconds: 60,
        })
      },
    },
    buckets: (bucket, { burst, perSecond }) => ({
      async spend(key, nowMs) {
        const told = await ask({ kind: 'take', bucket, burst, perSecond, key, nowMs })
        // What is no number is no permission.
        return typeof told === 'number' ? told : Number.MAX_SAFE_INTEGER
      },
    }),
  }
}

export type Asking = Pick<GatewayShared, 'replays' | 'buckets'> & {
  /** The primary's answers have come. */
  settle(answers: readonly Answer[]): void
}

type Waiting = {
  readonly resolve: (told: Answer['told']) => void
  readonly reject: (problem: Problem) => void
  readonly timer: NodeJS.Timeout
}

/** An `Ask` without its number. */
type Question = WithoutId<Ask>
type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never
