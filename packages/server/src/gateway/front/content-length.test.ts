import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readLength } from './content-length.ts'

test('reads digits', () => {
  assert.equal(readLength('0'), 0)
  assert.equal(readLength('183'), 183)
  assert.equal(readLength('000000000000012'), 12)
  assert.equal(readLength('999999999999999'), 999_999_999_999_999)
})

test('refuses whatever some server reads in another way', () => {
  for (const value of [
    '',
    '+1',
    '-1',
    '0x10',
    '1, 1',
    '1,1',
    ' 1',
    '1 ',
    '1_0',
    '1e3',
    '1.0',
    '١',
    '9999999999999999',
  ]) {
    assert.equal(readLength(value), -1, JSON.stringify(value))
  }
})
