import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refuseUnknownOptions } from './options.ts'

const known = ['issuer', 'audience']

test('known options pass, also when they are undefined', () => {
  refuseUnknownOptions('createVerifier', { issuer: 'a', audience: undefined }, known)
  refuseUnknownOptions('createVerifier', {}, known)
})

test('a misspelt option is refused with the nearest one', () => {
  assert.throws(() => refuseUnknownOptions('createVerifier', { audiense: 'a' }, known), {
    name: 'Problem',
    code: 'option-unknown',
    message: 'createVerifier: unknown option "audiense"',
    next: 'did you mean "audience"?',
  })
})

test('an option like no other is refused with the list', () => {
  assert.throws(() => refuseUnknownOptions('createVerifier', { verbose: true }, known), {
    code: 'option-unknown',
    next: 'known options: issuer, audience',
  })
})

test('the message quotes the name and never the value', () => {
  try {
    refuseUnknownOptions('readSecretKey', { secret: 'hunter2' }, known)
    assert.fail('not refused')
  } catch (problem) {
    assert.ok(!String((problem as Error).stack).includes('hunter2'))
  }
})
