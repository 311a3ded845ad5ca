import { addressKey } from '../../net/address.ts'

/** Slows down guessing: too many failures of one client from one address, and it has to wait. */
export type FailureLimit = {
  /** How long this pair still has to wait, in whole seconds; 0: not at all. */
  waitSeconds(clientId: string, address: string, nowMs: number): number
  failed(clientId: string, address: string, nowMs: number): void
}

export type FailureLimitOptions = {
  /** Failures that are let through at once. */
  readonly burst?: number
  /** How many failures a minute are forgiven. */
  readonly perMinute?: number
  /** How many pairs are remembered; the one that failed longest ago is forgotten first. */
  readonly entries?: number
}

/**
 * Counts failures by client and address together: whoever guesses at a client from elsewhere cannot lock out the
 * real one. (RFC 6749 §2.3.1 asks for a protection against guessing; with generated secrets it hardly matters, but
 * people choose some themselves.)
 *
 * @example
 * const limit = createFailureLimit({ burst: 20, perMinute: 10 })
 * if (limit.waitSeconds('orders', '192.0.2.1', nowMs) > 0) return tooMany()
 */
export function createFailureLimit(options: FailureLimitOptions = {}): FailureLimit {
  const { burst = 30, perMinute = 30, entries = 10_000 } = options
  const msPerFailure = 60_000 / perMinute
  // Nobody owes more, unless the clock was set back; then nobody is to wait for that.
  const mostDebtMs = (burst + 1) * msPerFailure
  // When the pair's debt is paid off: one moment instead of a count and a time. Oldest failure first.
  const paidOffAtMs = new Map<string, number>()

  return {
    waitSeconds(clientId, address, nowMs) {
      if (paidOffAtMs.size === 0) return 0
      const debtMs = (paidOffAtMs.get(pairOf(clientId, address)) ?? 0) - nowMs
      if (debtMs > mostDebtMs) return 0
      const excessMs = debtMs - (burst - 1) * msPerFailure
      return excessMs > 0 ? Math.ceil(excessMs / 1000) : 0
    },
    failed(clientId, address, nowMs) {
      const pair = pairOf(clientId, address)
      const owed = paidOffAtMs.get(pair) ?? 0
      const from = owed - nowMs > mostDebtMs ? nowMs : Math.max(nowMs, owed)
      paidOffAtMs.delete(pair)
      paidOffAtMs.set(pair, from + msPerFailure)
      if (paidOffAtMs.size > entries) paidOffAtMs.delete(paidOffAtMs.keys().next().value as string)
    },
  }
}

function pairOf(clientId: string, address: string): string {
  // Cut, so that what is remembered has a bound in bytes as well.
  return `${addressKey(address)} ${clientId.slice(0, 200)}`
}
