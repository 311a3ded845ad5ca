import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createProofReplays } from './proof-replays.ts'

const now = 1_800_000_000_000

test('an id counts once, until it has died', () => {
  const replays = createProofReplays()
  assert.equal(replays.putOnce('dpop', 'a', now + 300_000, now), true)
  assert.equal(replays.putOnce('dpop', 'a', now + 300_000, now), false)
  assert.equal(replays.putOnce('dpop', 'a', now + 300_000, now + 299_999), false)
  assert.equal(replays.putOnce('dpop', 'b', now + 300_000, now), true)
})

test('also when it is said to die at another time', () => {
  const replays = createProofReplays()
  assert.equal(replays.putOnce('dpop', 'a', now + 300_000, now), true)
  assert.equal(replays.putOnce('dpop', 'a', now + 600_000, now), false)
})

test('equal ids in two scopes do not meet', () => {
  const replays = createProofReplays()
  assert.equal(replays.putOnce('one', 'a', now + 1000, now), true)
  assert.equal(replays.putOnce('two', 'a', now + 1000, now), true)
})

test('the dead are forgotten, never the living', () => {
  const replays = createProofReplays()
  for (let index = 0; index < 1000; index++) {
    const nowMs = now + index * 1000
    assert.equal(replays.putOnce('dpop', `id-${index}`, nowMs + 300_000, nowMs), true)
    assert.ok(replays.size <= 361, `${replays.size} are kept`)
    // The oldest that still lives, and the youngest.
    const oldest = Math.max(0, index - 299)
    assert.equal(replays.putOnce('dpop', `id-${oldest}`, nowMs + 300_000, nowMs), false)
  }
})

test('when it is full nothing is accepted and nothing is forgotten, until the first have died', () => {
  const replays = createProofReplays({ maxEntries: 2 })
  replays.putOnce('dpop', 'a', now + 1000, now, 'one')
  replays.putOnce('dpop', 'b', now + 300_000, now, 'other')
  assert.throws(() => replays.putOnce('dpop', 'c', now + 1000, now), {
    code: 'proofs-full',
    retryAfterSeconds: 60,
  })
  assert.equal(replays.putOnce('dpop', 'b', now + 300_000, now), false, 'a repeated one is still told')
  assert.equal(replays.putOnce('dpop', 'c', now + 300_000, now + 61_000), true)
  assert.equal(replays.putOnce('dpop', 'b', now + 300_000, now + 61_000), false)
})

test('one that floods is refused alone', () => {
  const replays = createProofReplays({ maxEntries: 1000 })
  const put = (owner: string, index: number): unknown =>
    replays.putOnce('dpop', `${owner} ${index}`, now + 300_000, now, owner)
  for (let index = 0; index < 10; index++) put('honest', index)
  let flooded = 0
  assert.throws(
    () => {
      for (; flooded < 2000; flooded++) put('flooder', flooded)
    },
    { code: 'proofs-full' },
  )
  assert.equal(flooded, 490, 'the half that is for whoever comes')
  for (let index = 10; index < 200; index++) assert.equal(put('honest', index), true)
  for (let owner = 0; owner < 50; owner++) assert.equal(put(`new ${owner}`, 0), true)
  assert.throws(() => put('flooder', 2000), { code: 'proofs-full' })
  assert.equal(put('flooder', 7), false, 'what it has used stays used')
  assert.equal(replays.putOnce('dpop', 'later', now + 900_000, now + 361_000, 'flooder'), true)
  assert.equal(replays.size, 1)
})

test('a clock that is set back forgets nothing', () => {
  const replays = createProofReplays()
  replays.putOnce('dpop', 'a', now + 300_000, now)
  assert.equal(replays.putOnce('dpop', 'a', now + 300_000, now - 3_600_000), false)
})

test('options', () => {
  for (const maxEntries of [0, 1.5, Number.NaN]) {
    assert.throws(() => createProofReplays({ maxEntries }), { code: 'option-invalid' })
  }
  assert.throws(() => createProofReplays({ max: 1 } as {}), { code: 'option-unknown' })
})
