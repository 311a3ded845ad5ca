import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { Problem } from '../core/problem.ts'

/** A clock for tests, shared by whoever signs and whoever verifies. */
export type MovableClock = {
  /** Milliseconds since the epoch. */
  readonly now: Clock
  /** Moves it forward, or back by a negative number. */
  advance(seconds: number): void
}

/**
 * A clock that runs as the machine's does until it is moved; or one that stands still where it is put.
 *
 * @param startMs where it stands still, milliseconds since the epoch.
 * @example
 * const clock = createMovableClock(1_800_000_000_000)
 * clock.advance(60)
 * clock.now() // 1800000060000
 */
export function createMovableClock(startMs?: number): MovableClock {
  if (startMs !== undefined && !Number.isFinite(startMs)) {
    throw new Problem('option-invalid', 'nowMs must be a number of milliseconds since the epoch')
  }
  const base: Clock = startMs === undefined ? systemClock : () => startMs
  let movedMs = 0
  return Object.freeze({
    now: () => base() + movedMs,
    advance: (seconds: number) => {
      // Every comparison with NaN is false, so a token would never end.
      if (!Number.isFinite(seconds)) {
        throw new Problem('option-invalid', 'advance: expected a number of seconds')
      }
      movedMs += seconds * 1000
    },
  })
}
