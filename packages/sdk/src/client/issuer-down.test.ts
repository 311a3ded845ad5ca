import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isProblem } from '../core/problem.ts'
import { IssuerDown } from './issuer-down.ts'

test('a problem like any other, with what the issuer says of its pause', () => {
  const problem = new IssuerDown('busy', { next: 'wait', retryAfterSeconds: 30 })
  assert.ok(isProblem(problem))
  const { code, message, next, retryAfterSeconds } = problem
  assert.deepEqual([code, message, next, retryAfterSeconds], ['token-unavailable', 'busy', 'wait', 30])
})
