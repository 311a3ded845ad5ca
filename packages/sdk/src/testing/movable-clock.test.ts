import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMovableClock } from './movable-clock.ts'

test('it stands still where it is put, and moves by what it is told', () => {
  const clock = createMovableClock(1_800_000_000_000)
  assert.equal(clock.now(), 1_800_000_000_000)
  clock.advance(60)
  assert.equal(clock.now(), 1_800_000_060_000)
  clock.advance(-0.5)
  assert.equal(clock.now(), 1_800_000_059_500)
})

test('without a place it runs with the machine’s', () => {
  const clock = createMovableClock()
  const before = Date.now()
  const now = clock.now()
  assert.ok(now >= before && now <= Date.now())
  clock.advance(3600)
  assert.ok(clock.now() >= before + 3_600_000)
})

test('what is no number is refused: every comparison with it would be false', () => {
  const clock = createMovableClock()
  assert.throws(() => clock.advance(Number.NaN), { code: 'option-invalid' })
  assert.throws(() => createMovableClock(Number.POSITIVE_INFINITY), { code: 'option-invalid' })
})
