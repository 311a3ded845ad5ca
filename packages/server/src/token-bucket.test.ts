import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createTokenBuckets } from './token-bucket.ts'

const start = Date.UTC(2026, 10, 22)

describe('token buckets', () => {
  test('lets a burst through, then one for each token that drips in', () => {
    const limit = createTokenBuckets({ perSecond: 2, burst: 3 })
    assert.deepEqual(
      times(5, () => limit.take('a', start)),
      [0, 0, 0, 500, 500],
    )
    assert.equal(limit.take('a', start + 499), 1)
    assert.equal(limit.take('a', start + 500), 0)
    assert.equal(limit.take('a', start + 500), 500)
    // Full again, and not more than full.
    assert.deepEqual(
      times(4, () => limit.take('a', start + 60_000)),
      [0, 0, 0, 500],
    )
  })

  test('says how long it takes until nothing is missing any more', () => {
    const limit = createTokenBuckets({ perSecond: 2, burst: 3 })
    assert.deepEqual(
      times(4, () => limit.spend('a', start)),
      [-500, -1000, -1500, 500],
    )
    assert.equal(limit.spend('a', start + 1000), -1000)
    assert.equal(limit.spend('a', start + 60_000), -500)
  })

  test('asking while there is nothing costs nothing', () => {
    const limit = createTokenBuckets({ perSecond: 1, burst: 1 })
    limit.take('a', start)
    times(100, () => limit.take('a', start + 10))
    assert.equal(limit.take('a', start + 1000), 0)
  })

  test('one key has nothing to do with another', () => {
    const limit = createTokenBuckets({ perSecond: 1, burst: 1 })
    assert.deepEqual([limit.take('a', start), limit.take('b', start), limit.take('a', start)], [0, 0, 1000])
  })

  test('rates that are no whole number of milliseconds come out even', () => {
    const limit = createTokenBuckets({ perSecond: 3, burst: 3 })
    let taken = 0
    for (let ms = 0; ms < 60_000; ms++) if (limit.take('a', start + ms) === 0) taken++
    assert.ok(taken >= 181 && taken <= 183, `${taken}`)
  })

  test('a clock that is set back makes nobody wait for longer than a bucket takes to fill', () => {
    const limit = createTokenBuckets({ perSecond: 1, burst: 5 })
    times(5, () => limit.take('a', start))
    const earlier = start - 5 * 60_000
    assert.ok(limit.take('a', earlier) <= 1000)
    assert.equal(limit.take('a', earlier + 1001), 0)
  })

  test('a flood of new keys neither grows the memory nor frees who has to wait nor hurts who is known', () => {
    const limit = createTokenBuckets({ perSecond: 1, burst: 2, entries: 100 })
    times(3, () => limit.take('greedy', start))
    limit.take('regular', start)
    let passed = 0
    for (let index = 0; index < 200_000; index++) {
      if (limit.take(`flood-${index}`, start) === 0) passed++
    }
    assert.equal(limit.size, 100)
    assert.ok(limit.take('greedy', start) > 0)
    assert.equal(limit.take('regular', start), 0)
    // Those remembered by themselves once each, the others out of the shared buckets: two each of 1024.
    assert.ok(passed <= 98 + 2 * 1024, `${passed}`)
    // When the flood is over and the buckets are full again, new keys are remembered again.
    assert.equal(limit.take('newcomer', start + 5000), 0)
    assert.equal(limit.take('newcomer', start + 5000), 0)
    assert.ok(limit.take('newcomer', start + 5000) > 0)
    assert.ok(limit.size <= 100)
  })
})

function times<T>(count: number, work: () => T): T[] {
  return Array.from({ length: count }, work)
}
