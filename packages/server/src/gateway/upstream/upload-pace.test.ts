import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isTooSlow } from './upload-pace.ts'

const limits = { bodyMs: 30_000, bodyBytesPerSecond: 500 }

test('so much time for everybody, and a second more for as much as is asked of each', () => {
  assert.equal(isTooSlow(0, 30_000, limits), false)
  assert.equal(isTooSlow(0, 30_001, limits), true)
  assert.equal(isTooSlow(1_000, 32_000, limits), false)
  assert.equal(isTooSlow(1_000, 32_001, limits), true)
  assert.equal(isTooSlow(500_000_000, 900_000_000, limits), false)
})

test('without a pace there is no end to it', () => {
  assert.equal(isTooSlow(0, 1e12, { ...limits, bodyBytesPerSecond: 0 }), false)
})
