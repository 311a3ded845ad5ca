import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lookUp, readPointer } from './pointer.ts'

// The document and most pointers of RFC 6901 §5.
const example = {
  foo: ['bar', 'baz'],
  '': 0,
  'a/b': 1,
  'c%d': 2,
  'e^f': 3,
  'k"l': 6,
  ' ': 7,
  'm~n': 8,
  '~1': 9,
}

for (const [pointer, expected] of [
  ['/foo', ['bar', 'baz']],
  ['/foo/0', 'bar'],
  ['/', 0],
  ['/a~1b', 1],
  ['/c%d', 2],
  ['/e^f', 3],
  ['/k"l', 6],
  ['/ ', 7],
  ['/m~0n', 8],
  ['/~01', 9],
  ['foo', ['bar', 'baz']],
  ['a/b', 1],
  ['m~n', 8],
  ['/foo/2', undefined],
  ['/foo/00', undefined],
  ['/foo/-', undefined],
  ['/foo/-1', undefined],
  ['/foo/length', undefined],
  ['/foo/0/0', undefined],
  ['/foo/0/length', undefined],
  ['/a/b', undefined],
  ['bar', undefined],
] as const) {
  test(`${pointer} leads to ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(lookUp(example, readPointer(pointer, 'test')), expected)
  })
}

test('a pointer never reaches a prototype', () => {
  for (const pointer of [
    '/__proto__',
    '/constructor',
    '/constructor/name',
    '/toString',
    '/foo/map',
    '/foo/__proto__',
  ]) {
    assert.equal(lookUp(example, readPointer(pointer, 'test')), undefined, pointer)
  }
})

test('null is a value and leads nowhere', () => {
  assert.equal(lookUp({ a: null }, ['a']), null)
  assert.equal(lookUp({ a: null }, ['a', 'b']), undefined)
})

test('a text that is no pointer is refused', () => {
  assert.throws(() => readPointer('', 'roles'), {
    code: 'policy-invalid',
    message: 'roles: expected a claim, got an empty text',
  })
  for (const text of ['/a~', '/a~2', '/~~', '/~0/~x']) {
    assert.throws(() => readPointer(text, 'roles'), { code: 'policy-invalid', message: /^roles: "/ }, text)
  }
})
