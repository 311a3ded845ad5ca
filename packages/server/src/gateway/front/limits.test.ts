import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maxTokenLength } from '@countersign/sdk/jwt'
import { readLimits } from './limits.ts'

test('the longest token fits into a request head, so that one too long is told so', () => {
  assert.ok(readLimits().requestHeadBytes > maxTokenLength + 8 * 1024)
})

test('idle upstream connections are closed before Node servers close them', () => {
  assert.ok(readLimits().upstreamKeepAliveMs < 5_000)
})

test('given limits replace the defaults', () => {
  assert.equal(readLimits({ connectMs: 50 }).connectMs, 50)
  assert.equal(readLimits({ connectMs: 50 }).waitMs, readLimits().waitMs)
})

test('an unknown or impossible limit is refused', () => {
  const misspelt = { conectMs: 50 } as object
  assert.throws(() => readLimits(misspelt), { code: 'option-unknown', next: 'did you mean "connectMs"?' })
  assert.throws(() => readLimits({ connectMs: -1 }), { code: 'option-invalid' })
  assert.throws(() => readLimits({ connectMs: Number.NaN }), { code: 'option-invalid' })
})
