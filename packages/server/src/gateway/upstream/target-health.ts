/** When a target is left alone. Times in milliseconds. */
export type EjectionRule = {
  /** This many exchanges in a row that got no reply head. */
  readonly after: number
  /** How long, the first time; each further time twice as long, up to five minutes. */
  readonly forMs: number
}

/**
 * Whether a target of a pool is well: by what its exchanges come to (passive), and by what its probe says (active).
 *
 * A target that is out is tried again after its time by one request that can be repeated elsewhere; its reply brings the
 * target back, its failure puts it out for longer.
 */
export class TargetHealth {
  readonly #rule: EjectionRule
  readonly #tell: (change: HealthChange) => void
  #failures = 0
  #ejections = 0
  #outUntilMs = 0
  #probeSaysOut = false

  constructor(rule: EjectionRule, tell: (change: HealthChange) => void) {
    this.#rule = rule
    this.#tell = tell
  }

  /**
   * Whether an exchange may be given to the target.
   *
   * @param pending exchanges it has at present
   * @param repeatable the exchange can go to another target if this one fails
   */
  takes(nowMs: number, pending: number, repeatable: boolean): boolean {
    if (this.#probeSaysOut) return false
    if (this.#failures < this.#rule.after) return true
    return repeatable && pending === 0 && nowMs >= this.#outUntilMs
  }

  /** Left alone at present, for whatever reason. */
  get out(): boolean {
    return this.#probeSaysOut || this.#failures >= this.#rule.after
  }

  /** The target has begun to reply. Called for every exchange. */
  succeeded(): void {
    if (this.#failures === 0) return
    const wasOut = this.#failures >= this.#rule.after
    this.#failures = 0
    this.#ejections = 0
    if (wasOut && !this.#probeSaysOut) this.#tell('back')
  }

  /** The target could not be reached, or what came was no reply. */
  failed(nowMs: number): void {
    this.#failures += 1
    if (this.#failures < this.#rule.after) return
    // Those that were under way when it was put out say nothing new.
    if (nowMs < this.#outUntilMs) return
    this.#outUntilMs = nowMs + Math.min(longestOutMs, this.#rule.forMs * 2 ** this.#ejections)
    if (this.#ejections === 0 && !this.#probeSaysOut) this.#tell('out')
    this.#ejections += 1
  }

  /** What the probe has made out. A target that the probe finds well is well, whatever was before. */
  probed(isWell: boolean): void {
    const wasOut = this.out
    this.#probeSaysOut = !isWell
    if (isWell) {
      this.#failures = 0
      this.#ejections = 0
      this.#outUntilMs = 0
    }
    if (wasOut !== this.out) this.#tell(isWell ? 'back' : 'out')
  }
}

export type HealthChange = 'out' | 'back'

const longestOutMs = 300_000
