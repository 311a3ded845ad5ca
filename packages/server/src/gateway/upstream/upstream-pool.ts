import type { Ticker } from '../front/ticker.ts'
import type { Upstream } from './upstream.ts'

/** How a pool chooses, and how often it may choose again for one request. */
export type PoolRules = {
  readonly protocol: 'http/1.1' | 'h2'
  readonly balance: 'least-pending' | 'round-robin'
  /** How often one request may be sent again, each time to another target. */
  readonly retries: number
  /** How many requests may be sent again, as a share of all (0 to 1); a few are always allowed. */
  readonly retryShare: number
}

/**
 * The targets of one service. Gives each exchange one that is well and has room; when none is, one all the same, since
 * what we know may be wrong and a failure is all there is to lose.
 */
export class UpstreamPool {
  readonly targets: readonly Upstream[]
  readonly protocol: PoolRules['protocol']
  /** WebSockets through it at present; whoever opens one counts. */
  tunnels = 0
  readonly #rules: PoolRules
  readonly #ticker: Ticker
  #turn = 0
  /** Retries that may be made: grows by a share of one with each request, and never above a burst. */
  #budget = retryBurst

  constructor(targets: readonly Upstream[], rules: PoolRules, ticker: Ticker) {
    this.targets = targets
    this.protocol = rules.protocol
    this.#rules = rules
    this.#ticker = ticker
  }

  /**
   * A target for an exchange.
   *
   * @param repeatable the exchange may be sent again if it fails
   * @param tried where it has been already; never given again
   * @returns undefined only when there is none left that is well and has not been tried
   */
  pick(repeatable: boolean, tried?: readonly Upstream[]): Upstream | undefined {
    const { targets } = this
    const count = targets.length
    if (count === 1) return tried === undefined ? targets[0] : undefined
    if (tried === undefined && this.#budget < retryBurst) this.#budget += this.#rules.retryShare
    this.#turn = this.#turn + 1 < count ? this.#turn + 1 : 0
    let best: Upstream | undefined
    let spare: Upstream | undefined
    for (let i = 0; i < count; i++) {
      const target = targets[this.#turn + i < count ? this.#turn + i : this.#turn + i - count]!
      if (tried !== undefined && tried.includes(target)) continue
      if (spare === undefined || target.pending < spare.pending) spare = target
      if (target.full || !target.health.takes(this.#ticker.nowMs, target.pending, repeatable)) continue
      if (this.#rules.balance === 'round-robin') return target
      if (best === undefined || target.pending < best.pending) best = target
    }
    return best ?? (tried === undefined ? spare : undefined)
  }

  /** Whether an exchange that failed may be sent again; counts it as sent. @param before how often it has been already */
  mayRetry(before: number): boolean {
    if (before >= this.#rules.retries || this.#budget < 1) return false
    this.#budget -= 1
    return true
  }
}

const retryBurst = 10
