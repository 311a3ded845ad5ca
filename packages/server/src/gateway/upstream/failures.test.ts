import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failureAnswer, failureStatus } from './failures.ts'

test('down is 502, slow is 504, no room is 503 with a time to come back', () => {
  assert.equal(failureStatus.unreachable, 502)
  assert.equal(failureStatus['reply-timeout'], 504)
  const full = failureAnswer('wait-full', false)
  assert.equal(full.status, 503)
  assert.equal(full.headers['Retry-After'], '1')
  assert.equal(failureAnswer('closed', false).headers['Retry-After'], undefined)
})

test('says nothing of how it failed', () => {
  for (const failure of Object.keys(failureStatus) as (keyof typeof failureStatus)[]) {
    const { body } = failureAnswer(failure, true)
    assert.ok(!body.includes(failure), failure)
    assert.equal((JSON.parse(body) as { status: number }).status, failureStatus[failure])
  }
})
