import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { kindText, looksSecret, oneOf, openReading, shown, unknownName } from './reading.ts'
import type { Reading } from './reading.ts'
import type { Tree } from './tree.ts'

const place = { line: 1, column: 1 }
const scalar = (value: string | number | boolean | null): Tree => ({
  kind: 'scalar',
  value,
  place,
  keyPlace: place,
})

test('paths start at the trust file', () => {
  const asked: string[] = []
  const reading = newReading((path) => (asked.push(path), ''))
  reading.readFile('secrets/a')
  reading.readFile('/run/secrets/b')
  assert.deepEqual(asked, [resolve('etc/secrets/a'), '/run/secrets/b'])
  assert.equal(reading.resolvePath('countersign.db'), resolve('etc/countersign.db'))
})

test('a variable that every object has is not set', () => {
  assert.equal(newReading().variable('constructor'), undefined)
  assert.equal(newReading().variable('A'), '1')
})

test('an unknown name comes with the nearest, or with all, or with nothing to choose from', () => {
  const reading = newReading()
  const spot = { tree: scalar('x'), path: ['p'] }
  unknownName(reading, spot, 'role', 'raeder', ['reader', 'admin'])
  unknownName(reading, spot, 'role', 'zzz', ['reader', 'admin'])
  unknownName(reading, spot, 'role', 'zzz', [])
  assert.deepEqual(
    reading.mistakes.map(({ message, next }) => [message, next]),
    [
      ['unknown role "raeder"', 'did you mean "reader"?'],
      ['unknown role "zzz"', 'known: reader, admin'],
      ['unknown role "zzz"', undefined],
    ],
  )
})

test('a value is named by its kind; only numbers and truth values are said', () => {
  assert.deepEqual(
    [
      scalar('hunter2'),
      scalar(7),
      scalar(true),
      scalar(null),
      { ...scalar(null), kind: 'list', items: [] } satisfies Tree,
    ].map(kindText),
    ['a text', 'the number 7', 'true', 'nothing', 'a list'],
  )
})

test('a value is shown short, and never when it looks like a credential', () => {
  assert.equal(shown('a"b'), '"a\\"b"')
  assert.equal(shown('x'.repeat(100)), `"${'x'.repeat(59)}…"`)
  assert.equal(shown('\u{1F511}'.repeat(100)).endsWith('\u{1F511}…"'), true)
  for (const secret of [
    'postgres://u:p@h/d',
    'postgres:/u:p@h',
    'Bearer eyJhbGciOi',
    '-----BEGIN PRIVATE KEY-----',
  ]) {
    assert.equal(shown(secret), '[hidden]')
    assert.ok(looksSecret(secret))
  }
})

test('a list of words in a sentence', () => {
  assert.deepEqual(
    [oneOf([]), oneOf(['a']), oneOf(['a', 'b']), oneOf(['a', 'b', 'c'])],
    ['', 'a', 'a or b', 'a, b or c'],
  )
})

function newReading(readFile: (path: string) => string = () => ''): Reading {
  return openReading({ file: 'etc/countersign.yaml', env: { A: '1' }, readFile })
}
