import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileCondition } from './condition.ts'
import type { ConditionFacts } from './condition.ts'

const facts: ConditionFacts = {
  request: { method: 'GET', path: '/accounts/7', host: 'api.acme.example' },
  params: { id: '7' },
  principal: { subject: 'ada', roles: ['reader'], scopes: [] },
  claims: { account: '7', level: 3, tags: ['a', 'ab'], since: '2026-01-01T00:00:00Z' },
}

for (const [text, expected] of [
  ['params.id == claims.account', true],
  ['request.method == "POST"', false],
  ['"reader" in principal.roles && claims.level >= 3', true],
  ['claims.tags.all(tag, tag.startsWith("a"))', true],
  ['has(claims.missing) && claims.missing == 1', false],
  ['timestamp(claims.since) < timestamp("2026-06-01T00:00:00Z")', true],
] as const) {
  test(`${text} is ${expected}`, () => assert.equal(holds(text), expected))
}

for (const text of [
  'claims.missing == "x"',
  'claims.level == claims.nothing.at.all',
  'claims.constructor != 1',
  'claims.__proto__ != 1',
  'claims.toString != 1',
  'claims.level + 1 == 4',
]) {
  test(`${text} has no answer`, () => assert.throws(() => holds(text)))
}

for (const [text, message, at] of [
  ['request.method ==', /Unexpected token/, 17],
  ['user == "x"', /Unknown variable: user/, 0],
  ['true && wrong()', /wrong/, 8],
  ['1 + 1', /is of the type int/, 0],
  ['claims.admin', /is of the type dyn/, 0],
  ['params.id.matches("^(a+)+$")', /regular expressions/, 0],
  ['claims.a.all(x, claims.b.exists(y, x == y))', /loop within a loop/, 16],
  [`${'true && '.repeat(200)}true`, /./, undefined],
  [`${'('.repeat(40)}true${')'.repeat(40)}`, /./, undefined],
] as const) {
  test(`refused: ${text.slice(0, 60)}`, () => {
    const fault = compileCondition(text)
    assert.ok('message' in fault)
    assert.match(fault.message, message)
    if (at !== undefined) assert.equal(fault.at, at)
  })
}

function holds(text: string): boolean {
  const condition = compileCondition(text)
  assert.ok('holds' in condition, JSON.stringify(condition))
  return condition.holds(facts)
}
