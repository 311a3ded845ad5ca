import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createMetrics } from './registry.ts'

describe('what Prometheus reads', () => {
  test('counters: one line a series, there from the moment it is known', () => {
    const metrics = createMetrics()
    const requests = metrics.counter('requests_total', 'Requests.', ['route', 'outcome'])
    const allowed = requests.series('GET /invoices/{id}', 'allow')
    requests.series('GET /health', 'allow')
    requests.add(allowed)
    requests.add(allowed, 2)
    assert.equal(
      metrics.text(),
      `# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{route="GET /invoices/{id}",outcome="allow"} 3
requests_total{route="GET /health",outcome="allow"} 0
`,
    )
  })

  test('a counter without labels is there with 0', () => {
    const metrics = createMetrics()
    metrics.counter('reloads_total', 'Reloads.')
    assert.match(metrics.text(), /^reloads_total 0$/m)
  })

  test('histograms: each bucket holds those below it as well, a bound itself belongs to its bucket', () => {
    const metrics = createMetrics()
    const durations = metrics.histogram('seconds', 'Time.', ['route'], [0.1, 1])
    const route = durations.series('a')
    for (const value of [0.05, 0.1, 0.5, 7]) durations.observe(route, value)
    assert.equal(
      metrics.text(),
      `# HELP seconds Time.
# TYPE seconds histogram
seconds_bucket{route="a",le="0.1"} 2
seconds_bucket{route="a",le="1"} 3
seconds_bucket{route="a",le="+Inf"} 4
seconds_sum{route="a"} 7.65
seconds_count{route="a"} 4
`,
    )
  })

  test('gauges are asked when somebody looks; one that fails is away and hides no other', () => {
    const metrics = createMetrics()
    let value = 1
    metrics.gauge('broken', 'Broken.', () => {
      throw new Error('no')
    })
    metrics.gauge('age', 'Age.', () => value)
    metrics.gauge('by_upstream', 'Connections.', () => [[['a"b\\c\nd'], 4]], ['upstream'])
    assert.match(metrics.text(), /^age 1$/m)
    value = 2
    assert.match(metrics.text(), /^age 2$/m)
    assert.match(metrics.text(), /^by_upstream\{upstream="a\\"b\\\\c\\nd"\} 4$/m)
    assert.doesNotMatch(metrics.text(), /^broken/m)
  })

  test('the same family and the same series are made once, so numbers outlive a reload', () => {
    const metrics = createMetrics()
    const first = metrics.counter('total', 'Help.', ['route'])
    first.add(first.series('a'))
    const second = metrics.counter('total', 'Help.', ['route'])
    second.add(second.series('a'))
    assert.match(metrics.text(), /^total\{route="a"\} 2$/m)
    assert.equal(metrics.text().match(/^# TYPE/gm)?.length, 1)
  })

  test('ever new label values do not grow the memory without end', () => {
    const metrics = createMetrics()
    const counter = metrics.counter('total', 'Help.', ['route'])
    for (let index = 0; index < 30_000; index++) counter.add(counter.series(`r${index}`))
    const lines = metrics.text().split('\n')
    assert.ok(lines.length < 20_010, `${lines.length}`)
    assert.ok(lines.includes('total{route="other"} 10000'))
  })

  test('many series at once keep what was counted before', () => {
    const metrics = createMetrics()
    const durations = metrics.histogram('seconds', 'Time.', ['route'])
    const first = durations.series('first')
    durations.observe(first, 0.002)
    for (let index = 0; index < 100; index++) durations.observe(durations.series(`r${index}`), 60)
    assert.match(metrics.text(), /^seconds_count\{route="first"\} 1$/m)
    assert.match(metrics.text(), /^seconds_bucket\{route="r99",le="30"\} 0$/m)
  })
})
