import type { ExchangeFailure } from './failures.ts'
import type { Log } from '../../log.ts'

/**
 * Writes failed exchanges to the log, at most one line a second for each upstream and kind of failure: a service that
 * is down under load must not fill the disk. What was left out is counted in the next line.
 */
export class FailureLog {
  readonly #log: Log
  readonly #entries = new Map<string, { nextMs: number; leftOut: number }>()

  constructor(log: Log) {
    this.#log = log
  }

  /** @param nowMs on any monotonic scale */
  write(
    event: string,
    failure: ExchangeFailure,
    fields: { readonly service: string; readonly upstream: string },
    nowMs: number,
  ): void {
    const key = `${event} ${failure} ${fields.service}`
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      // As many as there are services and kinds of failure, so it needs no bound of its own.
      entry = { nextMs: 0, leftOut: 0 }
      this.#entries.set(key, entry)
    }
    if (nowMs < entry.nextMs) {
      entry.leftOut += 1
      return
    }
    this.#log.warn(event, { ...fields, failure, ...(entry.leftOut === 0 ? {} : { leftOut: entry.leftOut }) })
    entry.nextMs = nowMs + 1_000
    entry.leftOut = 0
  }
}
