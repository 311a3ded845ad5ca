import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isProblem, Problem } from './problem.ts'

test('a problem has a code, a message, a cause and a next step', () => {
  const cause = new Error('ECONNREFUSED')
  const problem = new Problem('keys-unavailable', 'no answer', {
    next: 'check it',
    cause,
    retryAfterSeconds: 5,
  })
  assert.ok(problem instanceof Error)
  assert.equal(problem.name, 'Problem')
  assert.equal(problem.code, 'keys-unavailable')
  assert.equal(problem.message, 'no answer')
  assert.equal(problem.next, 'check it')
  assert.equal(problem.cause, cause)
  assert.equal(problem.retryAfterSeconds, 5)
  assert.match(problem.stack ?? '', /no answer/)
})

test('what is not given is absent', () => {
  const problem = new Problem('key-invalid', 'no key')
  assert.equal(problem.next, undefined)
  assert.equal(problem.retryAfterSeconds, undefined)
  assert.ok(!Object.hasOwn(problem, 'cause'))
})

test('a problem is known, also one from another copy of the package', () => {
  assert.ok(isProblem(new Problem('key-invalid', 'no key')))
  assert.ok(isProblem(Object.assign(new Error('no key'), { name: 'Problem', code: 'key-invalid' })))
})

for (const value of [
  new Error('x'),
  Object.assign(new Error('x'), { code: 'ENOENT' }),
  Object.assign(new Error('x'), { name: 'Problem' }),
  { name: 'Problem', code: 'key-invalid' },
  'Problem',
  null,
  undefined,
]) {
  test(`${String(value)} of ${typeof value} is no problem of ours`, () => {
    assert.equal(isProblem(value), false)
  })
}
