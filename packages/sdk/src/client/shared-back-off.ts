import type { Clock } from '../core/clock.ts'
import { isProblem } from '../core/problem.ts'
import type { Problem } from '../core/problem.ts'
import { BackOff } from './back-off.ts'
import { IssuerDown } from './issuer-down.ts'

/**
 * Leaves an issuer alone that is down, for all who would ask it; what fails for one request alone is that one's own. After
 * the pause one request goes ahead, and the others wait for it: an issuer that comes back is not met by all of them at once
 * before it is known to be well.
 */
export class SharedBackOff {
  readonly #backOff: BackOff
  readonly #clock: Clock
  #probe: Promise<void> | undefined

  /** @param random from 0 to 1. */
  constructor(random: () => number, clock: Clock) {
    this.#backOff = new BackOff(random)
    this.#clock = clock
  }

  /** What failed, while nobody is to be asked. */
  failing(nowMs: number): Problem | undefined {
    return this.#backOff.failing(nowMs)
  }

  /** @throws what `request` throws, or what failed before, without asking. */
  async ask<Answer>(request: () => Promise<Answer>): Promise<Answer> {
    while (this.#probe !== undefined) await this.#probe
    const failing = this.failing(this.#clock())
    if (failing !== undefined) throw failing
    const answer = this.#note(request)
    if (this.#backOff.failures > 0) {
      const done = (): void => void (this.#probe = undefined)
      this.#probe = answer.then(done, done)
    }
    return answer
  }

  async #note<Answer>(request: () => Promise<Answer>): Promise<Answer> {
    const before = this.#backOff.failures
    // What was asked before the pause says nothing about its end.
    const succeeded = (): void => void (before === this.#backOff.failures && this.#backOff.succeeded())
    try {
      const answer = await request()
      succeeded()
      return answer
    } catch (error) {
      if (error instanceof IssuerDown) this.#backOff.failed(error, this.#clock(), before)
      // Whoever refuses is well.
      else if (isProblem(error) && error.code === 'token-refused') succeeded()
      throw error
    }
  }
}
