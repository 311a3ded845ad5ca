import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import type { Metrics } from './registry.ts'

/**
 * What the process itself costs: under the names that dashboards for Prometheus expect.
 *
 * @returns stops observing
 */
export function observeProcess(metrics: Metrics): () => void {
  const started = Date.now() / 1000 - process.uptime()
  const lag = monitorEventLoopDelay({ resolution: 20 })
  lag.enable()
  metrics.gauge('process_cpu_seconds_total', 'CPU time of user and system, in seconds.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  metrics.gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss())
  metrics.gauge(
    'process_start_time_seconds',
    'When the process started, seconds since 1970.',
    () => started,
    [],
    'min',
  )
  metrics.gauge('nodejs_heap_used_bytes', 'Heap in use.', () => process.memoryUsage().heapUsed)
  metrics.gauge(
    'nodejs_eventloop_lag_seconds',
    'How late timers were since the last look.',
    () => {
      const seconds = (nanoseconds: number): number => (Number.isFinite(nanoseconds) ? nanoseconds / 1e9 : 0)
      const reading: [string[], number][] = [
        [['0.5'], seconds(lag.percentile(50))],
        [['0.99'], seconds(lag.percentile(99))],
        [['1'], lag.count === 0 ? 0 : seconds(lag.max)],
      ]
      lag.reset()
      return reading
    },
    ['quantile'],
    'max',
  )
  const stopCollections = observeCollections(metrics)
  return () => {
    lag.disable()
    stopCollections()
  }
}

function observeCollections(metrics: Metrics): () => void {
  const durations = metrics.histogram(
    'nodejs_gc_duration_seconds',
    'Pauses for collecting garbage, by kind.',
    ['kind'],
    [0.001, 0.01, 0.1, 1],
  )
  const series = new Map(Object.entries(kinds).map(([kind, name]) => [Number(kind), durations.series(name)]))
  const other = durations.series('other')
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as { detail?: { kind?: number } }).detail ?? {}
      durations.observe(series.get(kind ?? -1) ?? other, entry.duration / 1000)
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  return () => observer.disconnect()
}

const kinds: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weak-callbacks',
}
