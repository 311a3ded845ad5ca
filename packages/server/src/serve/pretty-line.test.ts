import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prettyLine } from './pretty-line.ts'

const line = (fields: object): string =>
  JSON.stringify({ time: '2026-11-21T08:31:02.120Z', level: 'warn', event: 'keys not refreshed', ...fields })

test('time, level, event, fields', () => {
  assert.equal(
    prettyLine(
      line({ issuer: 'https://a.example', status: 503, roles: ['a'], detail: 'no answer', empty: '' }),
      false,
    ),
    '08:31:02 warn  keys not refreshed issuer=https://a.example status=503 roles=["a"] detail="no answer" empty=""\n',
  )
})

test('nothing in a value can begin a line or steer the terminal', () => {
  const pretty = prettyLine(
    line({ path: '/x\n08:31:02 info  fine', detail: '\u001b[2J\u009b1m\u2028' }),
    false,
  )
  assert.equal(pretty.split('\n').length, 2)
  assert.ok(!/[\u001b\u009b\u2028]/.test(pretty))
})

test('a stack stands below its line', () => {
  assert.equal(
    prettyLine(line({ stack: 'Error: x\n    at y\u001b[2J' }), false),
    '08:31:02 warn  keys not refreshed\n         Error: x\n             at y\\u001b[2J\n',
  )
})

test('colour only when asked for', () => {
  assert.ok(prettyLine(line({}), true).includes('\u001b[33m'))
  assert.ok(!prettyLine(line({}), false).includes('\u001b'))
})
