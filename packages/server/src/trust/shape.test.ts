import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { openReading } from './reading.ts'
import { fields, list, located, named, oneOrMany, onlyTrue, optional, required, text } from './shape.ts'
import type { Shape } from './shape.ts'
import { readTree } from './tree.ts'

const short = text(
  (value) => (value.length <= 3 ? { value } : { message: 'too long', next: `write ${value.slice(0, 3)}` }),
  {
    maxLength: 3,
  },
)
const pair = fields({ left: required(short, 'The left one.'), right: optional(short, 'The right one.') })

describe('fields', () => {
  test('each member as read, absent ones undefined', () => {
    assert.deepEqual(read(pair, 'left: a'), { value: { left: 'a' }, mistakes: '' })
  })

  test('everything wrong at once: unknown, missing, mistaken', () => {
    assert.equal(
      read(pair, 'rigth: a\nright: abcd').mistakes,
      [
        'f:1:1: rigth: unknown key "rigth"',
        '    next: did you mean "right"?',
        'f:1:1: left: missing',
        '    next: write `left: …`: The left one.',
        'f:2:8: right: too long',
        '    next: write abc',
      ].join('\n'),
    )
  })

  test('a key nobody knows lists the known ones; one of every object is unknown as well', () => {
    assert.match(
      read(pair, 'left: a\ntoString: b').mistakes,
      /unknown key "toString"\n {4}next: known: left, right/,
    )
  })

  test('no map', () => {
    assert.equal(read(pair, '[a]').mistakes, 'f:1:1: expected a map with left or right, got a list')
  })

  test('editors know the same members', () => {
    assert.deepEqual(pair.schema, {
      type: 'object',
      additionalProperties: false,
      properties: {
        left: { description: 'The left one.', type: 'string', maxLength: 3 },
        right: { description: 'The right one.', type: 'string', maxLength: 3 },
      },
      required: ['left'],
    })
  })
})

describe('named', () => {
  const key = {
    what: 'names',
    schema: { pattern: '^[a-z]+$' },
    wrong: (name: string) => (/^[a-z]+$/.test(name) ? undefined : { message: 'bad name' }),
  }

  test('each item by its name, with its place', () => {
    const { value } = read(named(key, short), 'a: x\nb: y')
    assert.deepEqual(
      [...(value ?? new Map())].map(([name, item]) => [name, item.value, item.path, item.tree.place.line]),
      [
        ['a', 'x', ['a'], 1],
        ['b', 'y', ['b'], 2],
      ],
    )
  })

  test('a bad name and a bad item are both reported', () => {
    assert.equal(
      read(named(key, short), 'A: long').mistakes,
      'f:1:1: A: bad name\nf:1:4: A: too long\n    next: write lon',
    )
  })
})

describe('lists', () => {
  const many = list(short, { what: 'words' })

  test('every bad item is reported, the good ones stay', () => {
    const { value, mistakes } = read(many, '[a, long, b, longer]')
    assert.deepEqual(value, ['a', 'b'])
    assert.equal(
      mistakes,
      'f:1:5: [1]: too long\n    next: write lon\nf:1:14: [3]: too long\n    next: write lon',
    )
  })

  test('an empty list and no list', () => {
    assert.equal(read(many, '[]').mistakes, 'f:1:1: expected at least 1 of: words')
    assert.equal(read(many, 'a').mistakes, 'f:1:1: expected a list of words, got a text')
  })

  test('one alone, where that is allowed', () => {
    assert.deepEqual(read(oneOrMany(short, { what: 'words' }), 'a').value, ['a'])
    assert.deepEqual(read(oneOrMany(short, { what: 'words' }), '[a, b]').value, ['a', 'b'])
  })
})

describe('texts', () => {
  test('a number is no text, and nothing is guessed', () => {
    assert.equal(
      read(short, '12').mistakes,
      'f:1:1: expected a text, got the number 12\n    next: put it in quotes if it is meant as text',
    )
    assert.equal(read(short, 'true').mistakes.split('\n')[0], 'f:1:1: expected a text, got true')
    assert.equal(read(short, '~').mistakes, 'f:1:1: expected a text, got nothing')
  })

  test('the next step is not shown when the text looks like a credential', () => {
    assert.equal(read(short, 'a@b-secret').mistakes, 'f:1:1: too long')
  })
})

test('a danger is switched on by true and by nothing else', () => {
  assert.equal(read(onlyTrue(), 'true').value, true)
  for (const value of ['false', '"true"', '1', '~']) assert.notEqual(read(onlyTrue(), value).mistakes, '')
})

test('located keeps the place', () => {
  const { value } = read(located(short), '\n\n  abc')
  assert.deepEqual([value?.value, value?.tree.place], ['abc', { line: 3, column: 3 }])
})

function read<T>(shape: Shape<T>, yaml: string): { value: T | undefined; mistakes: string } {
  const parsed = readTree(yaml)
  if (parsed.kind === 'mistakes') return assert.fail(mistakesText('f', parsed.mistakes))
  const reading = openReading({ file: 'f', env: {}, readFile: () => '' })
  const value = shape.read({ tree: parsed.tree, path: [] }, reading)
  return { value, mistakes: mistakesText('f', reading.mistakes) }
}
