import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readLimits } from '../gateway/front/limits.ts'
import { gatewayLimitsSection } from './limits-section.ts'
import { readTrust } from './read.ts'

test('every limit of the gateway can be said, but how long it takes to leave', () => {
  const { properties = {} } = gatewayLimitsSection.schema as { properties?: Record<string, unknown> }
  const { drainMs: _, ...limits } = readLimits()
  assert.deepEqual(Object.keys(properties).sort(), Object.keys(limits).sort())
  const said = Object.entries(limits).map(([name, value]) => `${name}: ${value}`)
  assert.deepEqual(read(`{ ${said.join(', ')} }`), limits)
})

test('what is not said is left to the gateway', () => {
  assert.deepEqual(read('{ bodyMs: 5000, bodyBytesPerSecond: 0 }'), { bodyMs: 5000, bodyBytesPerSecond: 0 })
  assert.equal(read('{}'), undefined)
})

test('nonsense is a mistake, with its place', () => {
  for (const [limits, expected] of [
    ['{ bodyMs: 0 }', /gateway\.limits\.bodyMs: expected a whole number from 1 /],
    ['{ connectMs: 5s }', /gateway\.limits\.connectMs: expected a whole number/],
    ['{ drainMs: 5 }', /drainMs/],
    ['{ requestHeadBytes: 100 }', /gateway\.limits\.requestHeadBytes: expected a whole number from 8192/],
  ] as const) {
    assert.match(String(read(limits)), expected)
  }
})

/** The limits as they were read, or the mistakes. */
function read(limits: string): unknown {
  const text = `gateway: { listen: 127.0.0.1:0, limits: ${limits} }
services: { a: { audience: a, at: /a, accepts: [], upstream: http://127.0.0.1:1, routes: { GET /: open } } }
`
  const reading = readTrust(text, { file: 'f', env: {}, readFile: () => '' })
  if (reading.kind === 'trust') return reading.trust.gateway?.limits
  return reading.mistakes.map(({ path, message }) => `${path}: ${message}`).join('\n')
}
