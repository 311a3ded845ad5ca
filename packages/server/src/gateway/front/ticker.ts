/**
 * A coarse monotonic clock with one timer for all deadlines of a gateway: setting a deadline is an addition, and
 * nothing has to be cancelled. A deadline is noticed up to one tick late.
 */
export type Ticker = {
  /** Milliseconds on no particular scale, as of the last tick. */
  readonly nowMs: number
  stop(): void
}

/**
 * @param tickMs how often `sweep` is called
 * @param sweep looks for deadlines that have passed
 */
export function startTicker(tickMs: number, sweep: (nowMs: number) => void): Ticker {
  const ticker = { nowMs: performance.now(), stop: () => clearInterval(timer) }
  const timer = setInterval(() => {
    ticker.nowMs = performance.now()
    sweep(ticker.nowMs)
  }, tickMs)
  timer.unref()
  return ticker
}
