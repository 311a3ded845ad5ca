import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mistakesText, pathText } from './mistake.ts'

test('mistakes stand in the order of the file, each with its next step below it', () => {
  const text = mistakesText('c.yaml', [
    { path: 'b', line: 2, column: 3, message: 'second', next: 'mend it' },
    { path: '', line: 1, column: 9, message: 'first' },
    { path: 'b', line: 2, column: 1, message: 'before second' },
  ])
  assert.equal(
    text,
    'c.yaml:1:9: first\nc.yaml:2:1: b: before second\nc.yaml:2:3: b: second\n    next: mend it',
  )
})

test('what the environment said is named after the variable, not after a line of the file', () => {
  const mistake = { path: 'a.b', line: 1, column: 1, variable: 'COUNTERSIGN_A_B', message: 'wrong' }
  assert.equal(mistakesText('c.yaml', [mistake]), 'COUNTERSIGN_A_B: a.b: wrong')
})

test('a path quotes the steps that are no plain names', () => {
  assert.equal(
    pathText(['services', 'order-api', 'routes', 'GET /x', 'roles', 0]),
    'services.order-api.routes."GET /x".roles[0]',
  )
  assert.equal(pathText(['a\u009b']), '"a\\u009b"')
  assert.equal(pathText(['x'.repeat(1000)]).length, 82)
  assert.equal(pathText([]), '')
})
