import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSharedAnswers } from './shared-answers.ts'
import type { Ask } from './messages.ts'

const nowMs = 1_800_000_000_000
const proof = (id: number, name: string, atMs = nowMs): Ask => ({
  id,
  kind: 'proof',
  scope: 'dpop',
  proof: name,
  expiresAtMs: nowMs + 300_000,
  nowMs: atMs,
  owner: 'someone',
})
const take = (id: number, bucket: string, atMs = nowMs, burst = 2): Ask => ({
  id,
  kind: 'take',
  bucket,
  burst,
  perSecond: burst,
  key: 'orders',
  nowMs: atMs,
})

test('a proof counts once, whoever asks', () => {
  const answers = createSharedAnswers()
  assert.deepEqual(answers.answer(proof(1, 'a')), { id: 1, told: true })
  assert.deepEqual(answers.answer(proof(1, 'a')), { id: 1, told: false })
  assert.deepEqual(answers.answer(proof(2, 'b')), { id: 2, told: true })
})

test('a limit is one limit, by its name and rate', () => {
  const answers = createSharedAnswers()
  const waits = [1, 2, 3].map((id) => answers.answer(take(id, 'callers a')).told)
  // Above 0 the wait; below, how long until nothing is missing any more.
  assert.deepEqual(waits, [-500, -1000, 500])
  assert.equal(answers.answer(take(4, 'callers b')).told, -500)
  assert.ok(Number(answers.answer(take(5, 'callers a', nowMs, 3)).told) < 0)
  assert.equal(answers.answer(take(6, 'callers a', nowMs + 500)).told, -1000)
})

test('limits that nobody asks for any more are forgotten, once they are full again', () => {
  const answers = createSharedAnswers()
  for (let index = 0; index < 10; index++) answers.answer(take(index, `callers ${index}`))
  answers.answer(take(11, 'callers 11', nowMs + 1_000))
  assert.equal(answers.buckets, 11)
  answers.answer(take(12, 'callers 12', nowMs + 2_000))
  assert.equal(answers.buckets, 2)
})
