import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFailureLimit } from './failure-limit.ts'

const start = 1_800_000_000_000

test('failures up to the burst cost nothing, the next try has to wait, and waiting helps', () => {
  const limit = createFailureLimit({ burst: 3, perMinute: 6 })
  for (let count = 0; count < 3; count++) {
    assert.equal(limit.waitSeconds('orders', '192.0.2.1', start), 0)
    limit.failed('orders', '192.0.2.1', start)
  }
  assert.equal(limit.waitSeconds('orders', '192.0.2.1', start), 10)
  assert.equal(limit.waitSeconds('orders', '192.0.2.1', start + 9_001), 1)
  assert.equal(limit.waitSeconds('orders', '192.0.2.1', start + 10_000), 0)
  limit.failed('orders', '192.0.2.1', start + 10_000)
  assert.equal(limit.waitSeconds('orders', '192.0.2.1', start + 10_000), 10)
  assert.equal(limit.waitSeconds('orders', '192.0.2.1', start + 60_000), 0)
})

test('whoever guesses from elsewhere does not lock out the client itself', () => {
  const limit = createFailureLimit({ burst: 1, perMinute: 6 })
  limit.failed('orders', '192.0.2.1', start)
  assert.equal(limit.waitSeconds('orders', '192.0.2.1', start), 10)
  assert.equal(limit.waitSeconds('orders', '192.0.2.2', start), 0)
  assert.equal(limit.waitSeconds('billing', '192.0.2.1', start), 0)
})

test('an IPv6 address counts with its whole /64', () => {
  const limit = createFailureLimit({ burst: 1, perMinute: 6 })
  limit.failed('orders', '2001:db8:1:2:3:4:5:6', start)
  limit.failed('orders', '2001:db8::1', start)
  for (const same of ['2001:db8:1:2::9', '2001:db8:1:2:ffff::', '2001:db8:0:0:9::']) {
    assert.equal(limit.waitSeconds('orders', same, start), 10, same)
  }
  for (const other of ['2001:db8:1:3::9', '2001:db9::1', '::1', 'fe80::1%eth0']) {
    assert.equal(limit.waitSeconds('orders', other, start), 0, other)
  }
})

test('an IPv4 address in IPv6 clothes is itself', () => {
  const limit = createFailureLimit({ burst: 1, perMinute: 6 })
  limit.failed('orders', '::ffff:192.0.2.1', start)
  assert.equal(limit.waitSeconds('orders', '::ffff:192.0.2.1', start), 10)
  assert.equal(limit.waitSeconds('orders', '::ffff:192.0.2.2', start), 0)
})

test('memory is bounded; the pair that failed longest ago is forgotten', () => {
  const limit = createFailureLimit({ burst: 1, perMinute: 6, entries: 2 })
  limit.failed('a', '192.0.2.1', start)
  limit.failed('b', '192.0.2.1', start)
  limit.failed('a', '192.0.2.1', start)
  limit.failed('c', '192.0.2.1', start)
  assert.equal(limit.waitSeconds('b', '192.0.2.1', start), 0)
  assert.ok(limit.waitSeconds('a', '192.0.2.1', start) > 0)
  assert.ok(limit.waitSeconds('c', '192.0.2.1', start) > 0)
})
