import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { systemCode } from './system-code.ts'

test('the name of a system error, and nothing of its message', () => {
  const thrown = (): unknown => {
    try {
      return readFileSync('/nowhere/at/all')
    } catch (error) {
      return error
    }
  }
  assert.equal(systemCode(thrown()), 'ENOENT')
  assert.equal(systemCode(new Error('hunter2')), 'unreadable')
  assert.equal(systemCode('hunter2'), 'unreadable')
})
