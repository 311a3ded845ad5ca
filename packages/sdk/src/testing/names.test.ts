import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readNames } from './names.ts'

test('names are separated by one blank each, and count once', () => {
  const allowed = ['a', 'b']
  assert.deepEqual(readNames(undefined, allowed), allowed)
  assert.deepEqual(readNames('b', allowed), ['b'])
  assert.deepEqual(readNames('b a b', allowed), ['b', 'a'])
  for (const asked of ['a  b', ' a', 'a ', 'a c', '']) {
    assert.equal(readNames(asked, ['', ...allowed]), undefined, `"${asked}"`)
  }
})
