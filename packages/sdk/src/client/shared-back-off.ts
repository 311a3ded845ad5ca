import type { Clock } from '../core/clock.ts'
import type { Problem } from '../core/problem.ts'
import { BackOff } from './back-off.ts'
import { IssuerDown } from './issuer-down.ts'

/**
 * Leaves an issuer alone that is down, for all who would ask it; what fails for one request alone is that one's own. Nobody
 * waits for anybody here: what holds one up (a slow disk, a user whom the issuer does not answer) holds up no other.
 */
export class SharedBackOff {
  readonly #backOff: BackOff
  readonly #clock: Clock

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
    const failing = this.failing(this.#clock())
    if (failing !== undefined) throw failing
    const before = this.#backOff.failures
    // What was asked before a pause says nothing about its end.
    const answered = (): void => void (before === this.#backOff.failures && this.#backOff.succeeded())
    try {
      const answer = await request()
      answered()
      return answer
    } catch (error) {
      if (error instanceof IssuerDown) this.#backOff.failed(error, this.#clock(), before)
      else answered()
      throw error
    }
  }
}
