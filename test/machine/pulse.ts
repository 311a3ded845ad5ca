/** Test support: tells what a machine does to all its processes from what is tested. */
import type { TestContext } from 'node:test'
// Not the global one, which a test may have made faster.
import { clearInterval, setInterval } from 'node:timers'

const beatMs = 10
const stillMs = 250

/**
 * The pulse of this process, a beat every ten milliseconds while it may run. On a machine that stands still, or does
 * something else for seconds, there are none: time that is counted in beats is time that something here has taken.
 */
export class Pulse {
  #beats = 0
  #lastMs = performance.now()
  #stoodStillAtMs = -Infinity

  constructor(t: TestContext) {
    const timer = setInterval(() => {
      this.#look()
      this.#beats += 1
    }, beatMs)
    t.after(() => clearInterval(timer))
  }

  /** The time that has passed while this process could run, in milliseconds, from some beginning. */
  get runMs(): number {
    return this.#beats * beatMs
  }

  /** Whether this process has stood still for a quarter of a second and more, at `sinceMs` of `performance.now()` or later. */
  stoodStillSince(sinceMs: number): boolean {
    const nowMs = performance.now()
    return Math.max(this.#stoodStillAtMs, nowMs - this.#lastMs > stillMs ? nowMs : -Infinity) >= sinceMs
  }

  /**
   * Does what has a time limit of its own that this test cannot move: it has to go well, and is done once more only when
   * this process has stood still meanwhile.
   */
  async undisturbed<Result>(work: () => Promise<Result>): Promise<Result> {
    for (;;) {
      const begunMs = performance.now()
      try {
        return await work()
      } catch (error) {
        if (!this.stoodStillSince(begunMs)) throw error
      }
    }
  }

  #look(): void {
    const nowMs = performance.now()
    if (nowMs - this.#lastMs > stillMs) this.#stoodStillAtMs = nowMs
    this.#lastMs = nowMs
  }
}
