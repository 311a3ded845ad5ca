import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '../core/problem.ts'
import { BackOff } from './back-off.ts'

test('a second that doubles, up to a minute; a success starts it anew', () => {
  const backOff = new BackOff(() => 0)
  let now = 0
  for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
    backOff.failed(new Problem('token-unavailable', 'x'), now)
    assert.equal(backOff.failing(now)?.retryAfterSeconds, seconds)
    now += seconds * 1000
    assert.equal(backOff.failing(now), undefined)
  }
  backOff.succeeded()
  backOff.failed(new Problem('token-refused', 'y', { next: 'z' }), now)
  const { code, message, next, retryAfterSeconds } = backOff.failing(now)!
  assert.deepEqual([code, message, next, retryAfterSeconds], ['token-refused', 'y', 'z', 1])
})

test('a clock that was ahead when it failed and has been set back does not keep it waiting', () => {
  const backOff = new BackOff(() => 0)
  const day = 86_400_000
  backOff.failed(new Problem('token-unavailable', 'x', { retryAfterSeconds: 300 }), day)
  assert.ok(backOff.failing(day - 1000))
  assert.equal(backOff.failing(0), undefined)
})

test('what the issuer says counts, but a second at least; chance takes off up to half of our own', () => {
  const backOff = new BackOff(() => 1)
  for (const [said, seconds] of [
    [20, 20],
    [0, 1],
    [undefined, 2],
  ] as const) {
    backOff.failed(
      new Problem('token-unavailable', 'x', said === undefined ? {} : { retryAfterSeconds: said }),
      0,
    )
    assert.equal(backOff.failing(0)?.retryAfterSeconds, seconds)
  }
})

test('of those that were asked together one failure counts, and the longest wait', () => {
  const backOff = new BackOff(() => 0)
  const fail = (retryAfterSeconds?: number): number => {
    const options = retryAfterSeconds === undefined ? {} : { retryAfterSeconds }
    backOff.failed(new Problem('token-unavailable', 'x', options), 0, 0)
    return backOff.failing(0)!.retryAfterSeconds!
  }
  assert.deepEqual([undefined, undefined, 30, 20, undefined].map(fail), [1, 1, 30, 30, 30])
  assert.equal(backOff.failures, 1)
  backOff.failed(new Problem('token-unavailable', 'x'), 30_000)
  assert.equal(backOff.failing(30_000)?.retryAfterSeconds, 2)
})
