import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { readTree } from './tree.ts'
import type { Tree } from './tree.ts'

test('values know where they and their keys stand', () => {
  const tree = treeOf('a:\n  b: [1, "x"]\nc:\n')
  assert.deepEqual(plain(tree), { a: { b: [1, 'x'] }, c: null })
  assert.ok(tree.kind === 'map')
  const a = tree.entries.get('a')
  assert.ok(a?.kind === 'map')
  const b = a.entries.get('b')
  assert.deepEqual(
    [b?.keyPlace, b?.place],
    [
      { line: 2, column: 3 },
      { line: 2, column: 6 },
    ],
  )
  assert.ok(b?.kind === 'list')
  assert.deepEqual(b.items[1]?.place, { line: 2, column: 10 })
})

test('YAML 1.2: yes, no and on are texts; keys of any name are only keys', () => {
  const tree = treeOf('a: yes\nb: 0o17\n__proto__: {toString: 1}\n')
  assert.ok(tree.kind === 'map')
  assert.deepEqual([...tree.entries.keys()], ['a', 'b', '__proto__'])
  assert.deepEqual([plain(tree.entries.get('a')!), plain(tree.entries.get('b')!)], ['yes', 15])
})

describe('refused, with the place', () => {
  const refused: [why: string, text: string, message: string][] = [
    [
      'an empty file',
      '',
      'f:1:1: the file is empty\n    next: run `countersign init` for a file to start from',
    ],
    [
      'only a comment',
      '# nothing',
      'f:1:1: the file is empty\n    next: run `countersign init` for a file to start from',
    ],
    ['a key twice', 'a: 1\nb: 2\na: 3', 'f:3:1: a: written twice; first on line 1\n    next: keep one'],
    [
      'a key twice inside',
      'x:\n  a: 1\n  a: 3',
      'f:3:3: x.a: written twice; first on line 2\n    next: keep one',
    ],
    [
      'a second document',
      'a: 1\n---\nb: 2',
      'f:2:1: a second document (---) in the file: a trust file is one document',
    ],
    ['a tag', 'a: !!binary aGk=', 'f:1:13: a: a tag (!) has no place here\n    next: take it out'],
    ['a key that is a number', '1: a', 'f:1:1: every key must be a text\n    next: put the key in quotes'],
    ['a key that is null', '~: a', 'f:1:1: every key must be a text\n    next: put the key in quotes'],
    [
      'a key that is a list',
      '? [a]\n: 1',
      'f:1:3: every key must be a text\n    next: put the key in quotes',
    ],
    [
      'a key with an anchor',
      '&x a: 1',
      'f:1:4: a key with an anchor (&) or tag (!) has no place here\n    next: write the key alone',
    ],
    [
      'another YAML',
      '%YAML 1.1\n---\na: yes',
      'f:1:1: a %YAML directive has no place here\n    next: take the line out; the file is YAML 1.2',
    ],
    [
      'a number that would be rounded',
      'a: 12345678901234567890',
      'f:1:4: a: a number out of range\n    next: put it in quotes if it is meant as text',
    ],
    [
      'infinity',
      'a: .inf',
      'f:1:4: a: a number out of range\n    next: put it in quotes if it is meant as text',
    ],
    ['a tab', 'a:\n\tb: 1', 'f:2:1: a tab cannot indent: use spaces'],
    [
      'tabs, and not what they make of the lines below',
      'a:\n  b: 1\n\tc: 2\n  d: { e: 1 }\n\tf: 3\n',
      'f:3:1: a tab cannot indent: use spaces\nf:5:1: a tab cannot indent: use spaces',
    ],
    [
      'a wrong indentation, and not what it makes of the lines below',
      'a:\n    b: 1\n   c: 2\n    d:\n      e: 1\n',
      'f:3:1: the indentation does not fit the lines above',
    ],
    ['an open bracket', 'a:\n  b: [x\n  c: 1\n', 'f:3:3: a [ or { before this is not closed'],
    [
      'a colon too many',
      'a: b: c',
      'f:1:4: a second ": " on one line: put the value in quotes, or on lines of its own',
    ],
  ]
  for (const [why, text, message] of refused) test(why, () => assert.equal(mistakesOf(text), message))
})

test('anchors and aliases are refused where they stand, so a file cannot grow when it is read', () => {
  const bomb = `a: &a [x, x]\n${[...'bcdefgh'].map((name, i) => `${name}: &${name} [*${'abcdefg'[i]}, *${'abcdefg'[i]}]`).join('\n')}`
  const found = mistakesOf(bomb)
  assert.match(
    found,
    /^f:1:7: a: an anchor \(&\) has no place here\n {4}next: write the value out where it is used/,
  )
  assert.match(found, /f:2:8: b\[0\]: an alias \(\*\) has no place here/)
})

test('syntax errors never repeat the text: it may be a secret', () => {
  for (const text of [
    'a: "hunter2',
    "a: 'hunter2' hunter2",
    'a: "\\hunter2"',
    'a: @hunter2',
    'a: [hunter2',
    '%hunter2\na: 1',
    'a: |hunter2',
    'a: *hunter2',
  ]) {
    const found = mistakesOf(text)
    assert.ok(found !== '' && !found.includes('hunter2'), found)
  }
})

describe('limits', () => {
  const limits: [what: string, text: string][] = [
    ['brackets', '['.repeat(20_000)],
    ['dashes', '- '.repeat(20_000)],
    ['levels', `${'{a: '.repeat(40)}1${'}'.repeat(40)}`],
    ['characters', `a: ${'x'.repeat(1024 * 1024)}`],
  ]
  for (const [what, text] of limits) {
    test(`too many ${what}`, () => assert.notEqual(mistakesOf(text), ''))
  }

  test('many keys are read in one walk', () => {
    const tree = treeOf(Array.from({ length: 20_000 }, (_, index) => `k${index}: ${index}`).join('\n'))
    assert.equal(tree.kind === 'map' && tree.entries.size, 20_000)
  })

  test('one slip is one mistake, and a hopeless file has a handful', () => {
    assert.equal(mistakesOf(']\n'.repeat(100)).split('\n').length, 5)
  })
})

function treeOf(text: string): Tree {
  const result = readTree(text)
  assert.equal(result.kind, 'tree', mistakesOf(text))
  return result.kind === 'tree' ? result.tree : assert.fail()
}

function mistakesOf(text: string): string {
  const result = readTree(text)
  return result.kind === 'mistakes' ? mistakesText('f', result.mistakes) : ''
}

function plain(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value
  if (tree.kind === 'list') return tree.items.map(plain)
  return Object.fromEntries([...tree.entries].map(([key, value]) => [key, plain(value)]))
}
