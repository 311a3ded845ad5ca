import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClaimPredicate } from './policy.ts'
import { readPredicate } from './predicate.ts'

const claims = {
  tenant: 'acme',
  level: 3,
  staff: true,
  groups: ['a', 'b'],
  mixed: ['a', 1],
  none: null,
  org: { id: 7 },
}

for (const [claim, predicate, expected] of [
  ['tenant', { equals: 'acme' }, 'holds'],
  ['/tenant', { equals: 'globex' }, 'fails'],
  ['tenant', { equals: 'ACME' }, 'fails'],
  ['/org/id', { equals: 7 }, 'holds'],
  ['/org/id', { equals: '7' }, 'unknown'],
  ['staff', { equals: true }, 'holds'],
  ['groups', { equals: 'a' }, 'unknown'],
  ['absent', { equals: 'acme' }, 'unknown'],
  ['none', { equals: 'acme' }, 'unknown'],
  ['tenant', { in: ['globex', 'acme'] }, 'holds'],
  ['tenant', { in: ['globex', 3] }, 'fails'],
  ['level', { in: ['3', 'x'] }, 'unknown'],
  ['absent', { in: ['acme'] }, 'unknown'],
  ['groups', { contains: 'b' }, 'holds'],
  ['groups', { contains: 'c' }, 'fails'],
  ['groups', { contains: 1 }, 'unknown'],
  ['mixed', { contains: 'a' }, 'holds'],
  ['mixed', { contains: 'c' }, 'unknown'],
  ['tenant', { contains: 'acme' }, 'unknown'],
  ['absent', { contains: 'a' }, 'unknown'],
  ['tenant', { exists: true }, 'holds'],
  ['tenant', { exists: false }, 'fails'],
  ['absent', { exists: true }, 'fails'],
  ['absent', { exists: false }, 'holds'],
  ['none', { exists: true }, 'fails'],
  ['/constructor', { exists: true }, 'fails'],
  ['/tenant/length', { exists: true }, 'fails'],
  ['tenant', { prefix: 'ac' }, 'holds'],
  ['tenant', { prefix: 'cm' }, 'fails'],
  ['level', { prefix: '3' }, 'unknown'],
  ['absent', { prefix: 'a' }, 'unknown'],
] as const) {
  test(`${claim} ${JSON.stringify(predicate)} ${expected}`, () => {
    const tests = readPredicate(claim, predicate, 'test')
    assert.equal(tests.length, 1)
    assert.equal(tests[0]!.test(claims), { holds: 1, fails: 0, unknown: -1 }[expected])
  })
}

test('each thing named is a test of its own', () => {
  const tests = readPredicate('tenant', { exists: true, prefix: 'a', in: ['acme'] }, 'test')
  assert.deepEqual(
    tests.map(({ text }) => text),
    ['claim tenant one of ["acme"]', 'claim tenant present', 'claim tenant starting with "a"'],
  )
})

for (const [predicate, code, message] of [
  [{}, 'policy-invalid', 'test: names nothing'],
  ['acme', 'policy-invalid', 'test: expected a predicate'],
  [['acme'], 'policy-invalid', 'test: expected a predicate'],
  [null, 'policy-invalid', 'test: expected a predicate'],
  [{ equal: 'acme' }, 'option-unknown', 'test: unknown option "equal"'],
  [{ equals: {} }, 'policy-invalid', 'test.equals: expected a text, a number, true or false'],
  [{ equals: null }, 'policy-invalid', 'test.equals: expected a text, a number, true or false'],
  [{ equals: Number.NaN }, 'policy-invalid', 'test.equals: expected a text, a number, true or false'],
  [{ in: [] }, 'policy-invalid', 'test.in: expected a list of values'],
  [{ in: 'acme' }, 'policy-invalid', 'test.in: expected a list of values'],
  [{ in: [[]] }, 'policy-invalid', 'test.in: expected a text, a number, true or false'],
  [{ exists: 'yes' }, 'policy-invalid', 'test.exists: expected true or false'],
  [{ prefix: '' }, 'policy-invalid', 'test.prefix: expected a text that is not empty'],
] as const) {
  test(`${JSON.stringify(predicate)} is refused`, () => {
    assert.throws(() => readPredicate('tenant', predicate as unknown as ClaimPredicate, 'test'), {
      code,
      message,
    })
  })
}
