import { setImmediate as nextTurn } from 'node:timers/promises'
import { isProblem } from '@countersign/sdk/core'
import type { Clock } from '@countersign/sdk/core'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'

/**
 * Drops marks of one-time values that count no longer, every `everyMs`. A sweep that fails is tried again with the next
 * one: marks that stay too long refuse nothing that is new.
 *
 * @returns stops it; resolves when no sweep is under way.
 *
 * @example
 * const stop = startSweeping({ store, clock, log })
 */
export function startSweeping({ store, clock, log, everyMs = 60_000 }: SweepOptions): () => Promise<void> {
  let sweeping: Promise<void> | undefined
  const sweep = async (): Promise<void> => {
    try {
      // A store drops a bounded number at a time; as long as there was something, there may be more. Requests come in
      // between: of SQLite each sweep is done within one turn of the event loop.
      while ((await store.sweep(clock())).dropped > 0) await nextTurn()
    } catch (error) {
      log.warn('store.sweep-failed', { message: isProblem(error) ? error.message : 'unexpected' })
    }
  }
  const timer = setInterval(() => {
    sweeping ??= sweep().finally(() => (sweeping = undefined))
  }, everyMs)
  // A process is not kept alive by its cleaning.
  timer.unref()
  return async () => {
    clearInterval(timer)
    await sweeping
  }
}

export type SweepOptions = {
  readonly store: Pick<Store, 'sweep'>
  readonly clock: Clock
  readonly log: Log
  readonly everyMs?: number
}
