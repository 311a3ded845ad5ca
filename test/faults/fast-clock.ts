/**
 * Test support, loaded before anything else (`node --import`): makes this process's clock run FAST_CLOCK times as fast, the
 * same moment in every process that is given the same FAST_CLOCK_START. Timers that repeat are as fast; others are not,
 * since they are patience and not plans.
 */
const { FAST_CLOCK = '1', FAST_CLOCK_START, FAST_CLOCK_AHEAD = '0' } = process.env
const realNow = Date.now
const realInterval = globalThis.setInterval
const startMs = Number(FAST_CLOCK_START ?? realNow())
const fastNow = (): number =>
  Math.floor(startMs + Number(FAST_CLOCK_AHEAD) + (realNow() - startMs) * Number(FAST_CLOCK))

class FastDate extends Date {
  constructor(...given: unknown[]) {
    super(...((given.length === 0 ? [fastNow()] : given) as [number]))
  }
  static override now(): number {
    return fastNow()
  }
}
globalThis.Date = FastDate as DateConstructor
globalThis.setInterval = ((work: (...rest: unknown[]) => void, ms = 1, ...rest: unknown[]) =>
  realInterval(() => work(...rest), Math.max(1, ms / Number(FAST_CLOCK)))) as typeof setInterval
