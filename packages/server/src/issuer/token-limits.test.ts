import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTokenLimits } from './token-limits.ts'

const nowMs = Date.UTC(2026, 10, 22)

test('without limits nobody is refused', () => {
  const limits = createTokenLimits()
  for (let index = 0; index < 1000; index++) {
    assert.equal(limits.forClient('orders', nowMs), undefined)
    assert.equal(limits.forAddress('192.0.2.1', nowMs), undefined)
  }
})

test('a client that asks too often is told how long to wait, and others are not concerned', () => {
  const limits = createTokenLimits({ client: { perSecond: 0.1, burst: 2 } })
  assert.equal(limits.forClient('orders', nowMs), undefined)
  assert.equal(limits.forClient('orders', nowMs), undefined)
  const refusal = limits.forClient('orders', nowMs)
  assert.equal(refusal?.status, 429)
  assert.equal(refusal?.retryAfterSeconds, 10)
  assert.match(refusal?.description ?? '', /this client asks for tokens too often: .* try again in 10 s$/)
  assert.equal(limits.forClient('stock', nowMs), undefined)
  assert.equal(limits.forClient('orders', nowMs + 10_000), undefined)
})

test('an IPv6 customer cannot multiply by addresses', () => {
  const limits = createTokenLimits({ address: { perSecond: 1, burst: 1 } })
  assert.equal(limits.forAddress('2001:db8:0:1::1', nowMs), undefined)
  assert.equal(limits.forAddress('2001:db8:0:1:ffff::7', nowMs)?.status, 429)
  assert.equal(limits.forAddress('2001:db8:0:2::1', nowMs), undefined)
})
