import { Problem } from '../core/problem.ts'

/** Leaves an issuer alone after a failure: for as long as it says, or for a second that doubles up to a minute. */
export class BackOff {
  readonly #random: () => number
  #failure: Problem | undefined
  #failures = 0
  #sinceMs = 0
  #untilMs = 0

  /** @param random from 0 to 1, so that replicas that fail together do not come back together. */
  constructor(random: () => number) {
    this.#random = random
  }

  /** How many there were since the last success. */
  get failures(): number {
    return this.#failures
  }

  /** @param before how many failures there were when it was asked: of those that fail together one counts, and the longest wait. */
  failed(problem: Problem, nowMs: number, before = this.#failures): void {
    const { retryAfterSeconds } = problem
    const backOffMs = Math.min(maxBackOffMs, firstBackOffMs * 2 ** this.#failures)
    const waitMs =
      retryAfterSeconds === undefined
        ? backOffMs * (1 - this.#random() / 2)
        : Math.max(retryAfterSeconds * 1000, firstBackOffMs)
    if (before === this.#failures) this.#failures++
    else if (retryAfterSeconds === undefined || nowMs + waitMs <= this.#untilMs) return
    this.#failure = problem
    this.#sinceMs = nowMs
    this.#untilMs = nowMs + waitMs
  }

  succeeded(): void {
    this.#failure = undefined
    this.#failures = 0
    this.#untilMs = 0
  }

  /** What failed, while nobody is to be asked: a problem of its own for each who wants to, with the time that is left. */
  failing(nowMs: number): Problem | undefined {
    if (this.#failure === undefined || nowMs >= this.#untilMs) return undefined
    // The clock has been set back since, and the end may be far away.
    if (nowMs < this.#sinceMs - setBackMs) return undefined
    const { code, message, next } = this.#failure
    const options = {
      ...(next === undefined ? {} : { next }),
      retryAfterSeconds: (this.#untilMs - nowMs) / 1000,
    }
    return code === 'token-refused'
      ? new Problem('token-refused', message, options)
      : new Problem('token-unavailable', message, options)
  }
}

/** Clocks are put right by less all the time. */
export const setBackMs = 60_000
const firstBackOffMs = 1000
const maxBackOffMs = 60_000
