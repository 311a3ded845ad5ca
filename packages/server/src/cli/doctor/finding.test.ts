import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '@countersign/sdk/core'
import { fail, pass, reasonOf, warn } from './finding.ts'

test('a finding that is not good has a next step', () => {
  assert.deepEqual(pass('node', 'new enough'), { check: 'node', verdict: 'pass', text: 'new enough' })
  assert.equal(warn('node', 'old', 'renew it').next, 'renew it')
  assert.equal(fail('node', 'too old', 'renew it').verdict, 'fail')
})

test('what somebody else has written is no command to the terminal', () => {
  const theirs = 'https://issuer.example/\u001b[2J\u009b1A\r\n\u202ekeys'
  const readable = 'https://issuer.example/\\u001b[2J\\u009b1A\\u000d\\u000a\\u202ekeys'
  for (const { text } of [
    pass('trusted a', theirs),
    warn('trusted a', theirs, ''),
    fail('trusted a', theirs, ''),
  ])
    assert.equal(text, readable)
})

test('why somebody could not be reached is said by a code, and not by words that may hold more', () => {
  const cause = Object.assign(new Error('connect to hunter2'), { code: 'ECONNREFUSED' })
  assert.equal(reasonOf(new TypeError('fetch failed', { cause })), 'ECONNREFUSED')
  assert.equal(reasonOf(new DOMException('…', 'TimeoutError')), 'no answer in time')
  assert.equal(reasonOf(new Error('hunter2')), 'no answer')
  assert.equal(reasonOf(new Problem('store-unavailable', 'PostgreSQL: no')), 'PostgreSQL: no')
})
