import assert from 'node:assert/strict'
import { test } from 'node:test'
import { workerPlace, workerVariable } from './worker-place.ts'

test('a process that nobody has forked is no worker, whatever its environment says', () => {
  assert.equal(workerPlace({}), undefined)
  assert.equal(workerPlace({ [workerVariable]: '1' }), undefined)
})
