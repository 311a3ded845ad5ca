import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countedOnly, mergeReadings } from './merge.ts'
import { createMetrics, metricsText } from './registry.ts'

test('counters and histograms are summed, series by series, whoever has them', () => {
  const [one, other] = [open(['a', 3], 0.5), open(['b', 4], 40)]
  const text = metricsText(mergeReadings([one.read(), other.read(), open(['a', 2], 0.002).read()]))
  assert.equal(
    text,
    `# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{route="a"} 5
requests_total{route="b"} 4
# HELP seconds How long.
# TYPE seconds histogram
seconds_bucket{le="1"} 2
seconds_bucket{le="10"} 2
seconds_bucket{le="+Inf"} 3
seconds_sum 40.502
seconds_count 3
`,
  )
})

test('one process alone says what it says by itself', () => {
  const metrics = open(['a', 3], 0.5)
  assert.equal(metricsText(mergeReadings([metrics.read()])), metrics.text())
})

test('a gauge by its own rule', () => {
  const process = (connections: number, age: number, since: number) => {
    const metrics = createMetrics()
    metrics.gauge('connections', 'Open.', () => connections)
    metrics.gauge('age_seconds', 'How old.', () => [[['i'], age] as const], ['issuer'], 'max')
    metrics.gauge('start_seconds', 'Since.', () => since, [], 'min')
    return metrics.read()
  }
  const merged = mergeReadings([process(2, 7, 100), process(3, 5, 90)])
  assert.deepEqual(
    merged.flatMap(({ numbers }) => numbers),
    [
      ['connections', 5],
      ['age_seconds{issuer="i"}', 7],
      ['start_seconds', 90],
    ],
  )
})

test('of a process that has ended its counts stay, and nothing that was only so at the time', () => {
  const metrics = open(['a', 3], 0.5)
  metrics.gauge('connections', 'Open.', () => 7)
  metrics.gauge('bytes_total', 'Bytes.', () => 9)
  const left = countedOnly(metrics.read()).map(({ name }) => name)
  assert.deepEqual(left, ['requests_total', 'seconds', 'bytes_total'])
})

function open([route, count]: readonly [string, number], seconds: number) {
  const metrics = createMetrics()
  const requests = metrics.counter('requests_total', 'Requests.', ['route'])
  requests.add(requests.series(route), count)
  const histogram = metrics.histogram('seconds', 'How long.', [], [1, 10])
  histogram.observe(0, seconds)
  return metrics
}
