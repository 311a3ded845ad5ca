import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { observeProcess } from './process-metrics.ts'
import { createMetrics } from './registry.ts'

test('what the process costs', async () => {
  const metrics = createMetrics()
  const stop = observeProcess(metrics)
  const value = (line: string): number => {
    const found = metrics
      .text()
      .split('\n')
      .find((row) => row.startsWith(`${line} `))
    assert.ok(found, line)
    return Number(found.split(' ').at(-1))
  }
  try {
    assert.ok(value('process_resident_memory_bytes') > 10e6)
    assert.ok(value('nodejs_heap_used_bytes') > 1e6)
    assert.ok(value('process_cpu_seconds_total') > 0)
    assert.ok(Math.abs(value('process_start_time_seconds') - (Date.now() / 1000 - process.uptime())) < 5)
    await wait(50)
    // The loop stands still for longer than a timer of the observer's.
    const until = performance.now() + 120
    while (performance.now() < until);
    await wait(50)
    assert.ok(value('nodejs_eventloop_lag_seconds{quantile="1"}') > 0.05)
    assert.match(metrics.text(), /^nodejs_gc_duration_seconds_count\{kind="minor"\} \d+$/m)
  } finally {
    stop()
  }
})
