import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { test } from 'node:test'
import { KnownNames, NameSet } from './name-set.ts'

const names: ReadonlySet<string> = new NameSet(['reader', 'admin', 'reader'])

test('it is read as any set is', () => {
  assert.equal(names.size, 2)
  assert.deepEqual([names.has('reader'), names.has('writer')], [true, false])
  assert.deepEqual([...names], ['reader', 'admin'])
  assert.deepEqual([...names.keys()], [...names.values()])
  assert.deepEqual(
    [...names.entries()],
    [
      ['reader', 'reader'],
      ['admin', 'admin'],
    ],
  )
  const seen: unknown[] = []
  names.forEach(function (this: unknown, ...given) {
    seen.push([this, ...given])
  }, 'this')
  assert.deepEqual(seen, [
    ['this', 'reader', 'reader', names],
    ['this', 'admin', 'admin', names],
  ])
  assert.equal(inspect(names), "Set(2) { 'reader', 'admin' }")
})

test('it takes part in the algebra of sets, on either side', () => {
  const others = new Set(['admin', 'writer'])
  assert.deepEqual([...names.union(others)], ['reader', 'admin', 'writer'])
  assert.deepEqual([...names.intersection(others)], ['admin'])
  assert.deepEqual([...names.difference(others)], ['reader'])
  assert.deepEqual([...names.symmetricDifference(others)], ['reader', 'writer'])
  assert.deepEqual([names.isSubsetOf(others), names.isSupersetOf(others)], [false, false])
  assert.equal(names.isDisjointFrom(others), false)
  assert.deepEqual([...others.difference(names)], ['writer'])
  assert.ok(new Set(['reader']).isSubsetOf(names))
})

test('nobody changes it, not even with the methods of Set', () => {
  const set = names as Set<string>
  for (const method of ['add', 'delete', 'clear'] as const) {
    assert.throws(() => (set[method] as (name: string) => void)('writer'), TypeError)
    assert.throws(() => (Set.prototype[method] as (name: string) => void).call(set, 'writer'), TypeError)
  }
  assert.throws(() => Object.assign(set, { has: () => true }), TypeError)
  // What it gives out is somebody's own.
  names.union(new Set()).add('writer')
  names.intersection(names).clear()
  assert.deepEqual([...names], ['reader', 'admin'])
})

test('the same text is the same set, for as many as are remembered', () => {
  const known = new KnownNames()
  const make = (text: string): NameSet => known.get(text, () => text.split(' '))
  assert.equal(make('a b'), make('a b'))
  assert.notEqual(make('a b'), make('b a'))
  const long = 'a'.repeat(257)
  assert.notEqual(make(long), make(long))
  const first = make('a b')
  for (let count = 0; count < 300; count++) make(String(count))
  assert.notEqual(make('a b'), first)
  assert.deepEqual([...make('a b')], ['a', 'b'])
})
