import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deny } from './denial.ts'

test('a denial is a reason and a detail, and nothing else', () => {
  assert.deepEqual(deny('token-expired', 'exp passed 3 s ago'), {
    reason: 'token-expired',
    detail: 'exp passed 3 s ago',
  })
})
