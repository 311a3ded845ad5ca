import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createGrid, statusClass } from './grid.ts'
import { createMetrics } from './registry.ts'

test('counts combinations of known words, and all other words as one', () => {
  const metrics = createMetrics()
  const counter = metrics.counter('total', 'Help.', ['route', 'method', 'status', 'reason'])
  const grid = createGrid(counter, [['GET', 'POST'], ['2xx', '4xx'], ['allowed']], ['GET /health'])
  grid.add('GET', '2xx', 'allowed')
  grid.add('GET', '2xx', 'allowed')
  grid.add('POST', '4xx', 'made up')
  for (let index = 0; index < 1000; index++) grid.add(`method-${index}`, '2xx', 'allowed')
  assert.deepEqual(metrics.text().split('\n').slice(2, -1), [
    'total{route="GET /health",method="GET",status="2xx",reason="allowed"} 2',
    'total{route="GET /health",method="POST",status="4xx",reason="other"} 1',
    'total{route="GET /health",method="other",status="2xx",reason="allowed"} 1000',
  ])
})

test('one list or two', () => {
  const metrics = createMetrics()
  createGrid(metrics.counter('one', 'Help.', ['a']), [['x', 'y']]).add('y')
  createGrid(metrics.counter('two', 'Help.', ['a', 'b']), [['x', 'y'], ['z']]).add('y', 'z')
  assert.match(metrics.text(), /^one\{a="y"\} 1$/m)
  assert.match(metrics.text(), /^two\{a="y",b="z"\} 1$/m)
})

test('classes of statuses', () => {
  assert.deepEqual([0, 100, 204, 304, 404, 503, 999].map(statusClass), [
    'none',
    '1xx',
    '2xx',
    '3xx',
    '4xx',
    '5xx',
    'none',
  ])
})
