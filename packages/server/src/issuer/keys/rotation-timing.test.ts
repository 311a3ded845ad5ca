import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isProblem } from '@countersign/sdk/core'
import { overlapSeconds, rotationTiming } from './rotation-timing.ts'

const day = 86_400

test('a monthly rotation publishes a day ahead', () => {
  const timing = rotationTiming({ rotateEverySeconds: 30 * day, tokenLifetimeSeconds: 300 })
  assert.deepEqual(timing, {
    rotateEverySeconds: 30 * day,
    tokenLifetimeSeconds: 300,
    cacheSeconds: 300,
    leadSeconds: day,
    refreshSeconds: 30,
    staleAfterSeconds: day - 300 - 30 - 60,
    skewSeconds: 60,
  })
  assert.equal(overlapSeconds(300, timing), 420)
})

test('a fast rotation publishes a quarter ahead, but never later than safety asks', () => {
  const lead = (rotateEverySeconds: number): number =>
    rotationTiming({ rotateEverySeconds, tokenLifetimeSeconds: 300 }).leadSeconds
  assert.equal(lead(4 * 3600), 3600)
  assert.equal(lead(1000), 450)
})

test('every replica has two chances to read the ring before a key it may not know is used', () => {
  for (const rotateEverySeconds of [870, 1000, 3600, day, 365 * day]) {
    const timing = rotationTiming({ rotateEverySeconds, tokenLifetimeSeconds: 300 })
    assert.ok(timing.staleAfterSeconds >= 2 * timing.refreshSeconds, `${rotateEverySeconds}`)
  }
})

test('the limit of a rotation is exact and its refusal names the numbers', () => {
  assert.equal(rotationTiming({ rotateEverySeconds: 870, tokenLifetimeSeconds: 300 }).leadSeconds, 450)
  assert.throws(
    () => rotationTiming({ rotateEverySeconds: 869, tokenLifetimeSeconds: 300 }),
    (error) => {
      assert.ok(isProblem(error))
      assert.equal(error.code, 'rotation-unsafe')
      for (const number of ['869 s', '870 s', '450 s', '420 s', '300 s', '120 s']) {
        assert.ok(error.message.includes(number), number)
      }
      assert.match(error.next ?? '', /at least 870 s/)
      return true
    },
  )
})

test('tokens that outlive the rotation are refused', () => {
  assert.throws(() => rotationTiming({ rotateEverySeconds: 3600, tokenLifetimeSeconds: 3600 }), {
    code: 'rotation-unsafe',
  })
})

test('a lead shorter than the served cache life is refused with the numbers', () => {
  const numbers = { rotateEverySeconds: 30 * day, tokenLifetimeSeconds: 300, cacheSeconds: 3600 }
  assert.equal(rotationTiming({ ...numbers, leadSeconds: 3750 }).staleAfterSeconds, 60)
  assert.throws(
    () => rotationTiming({ ...numbers, leadSeconds: 3749 }),
    (error) =>
      isProblem(error) && error.code === 'rotation-unsafe' && /3749 s.*3750 s.*3600 s/.test(error.message),
  )
})

test('numbers that are none and names that are unknown are refused', () => {
  const numbers = { rotateEverySeconds: 30 * day, tokenLifetimeSeconds: 300 }
  for (const odd of [0, -1, 1.5, NaN, Infinity]) {
    assert.throws(() => rotationTiming({ ...numbers, tokenLifetimeSeconds: odd }), { code: 'option-invalid' })
  }
  assert.throws(() => rotationTiming({ ...numbers, ...{ leedSeconds: 1 } }), { code: 'option-unknown' })
})
