import type { Metrics } from '../metrics/registry.ts'
import type { Store } from './store.ts'

/**
 * The same store, with the time of each operation and what failed counted by its name.
 *
 * @example
 * const store = measuredStore(await openStore(settings), metrics)
 */
export function measuredStore(store: Store, metrics: Metrics): Store {
  const durations = metrics.histogram(
    'countersign_store_duration_seconds',
    'How long the store took, by operation.',
    ['operation'],
  )
  const failures = metrics.counter('countersign_store_failures_total', 'Operations the store failed.', [
    'operation',
  ])
  const measured: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(store)) {
    if (typeof member !== 'function' || name === 'close') {
      measured[name] = member
      continue
    }
    const duration = durations.series(name)
    const failure = failures.series(name)
    measured[name] = async (...given: unknown[]) => {
      const startedMs = performance.now()
      try {
        return await (member as (...all: unknown[]) => unknown).apply(store, given)
      } catch (error) {
        failures.add(failure)
        throw error
      } finally {
        durations.observe(duration, (performance.now() - startedMs) / 1000)
      }
    }
  }
  return measured as Store
}
