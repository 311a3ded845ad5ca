import assert from 'node:assert/strict'
import { test } from 'node:test'
import { problem } from './operation.ts'

test('a refusal is a problem document with a code', () => {
  assert.deepEqual(problem(409, 'client-declared', 'change it there', { more: 1 }), {
    status: 409,
    headers: ['Content-Type', 'application/problem+json'],
    body: {
      type: 'about:blank',
      title: 'Conflict',
      status: 409,
      code: 'client-declared',
      detail: 'change it there',
      more: 1,
    },
  })
})
