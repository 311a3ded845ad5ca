import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { TokenCache } from './token-cache.ts'

test('finds what was kept, by the whole text', () => {
  const cache = new TokenCache<number>(10, 1000)
  cache.keep('a.b.c', 1)
  assert.equal(cache.find('a.b.c'), 1)
  for (const other of ['a.b.', 'a.b.cc', 'A.b.c', '', '__proto__', 'constructor']) {
    assert.equal(cache.find(other), undefined)
  }
})

test('keeps the newest where one token is kept twice, and counts it once', () => {
  const cache = new TokenCache<number>(4, 1000)
  for (let round = 0; round < 10; round++) cache.keep('a', round)
  cache.keep('b', 0)
  assert.equal(cache.find('a'), 9)
  assert.equal(cache.size, 2)
})

test('forgets the tokens that nobody shows any more, and keeps those in use', () => {
  const cache = new TokenCache<number>(10, 100_000)
  cache.keep('used', 0)
  for (let index = 0; index < 100; index++) {
    cache.keep(`token ${index}`, index)
    assert.equal(cache.find('used'), 0)
  }
  assert.equal(cache.find('token 99'), 99)
  assert.equal(cache.find('token 1'), undefined)
})

test('drops a token from either generation', () => {
  const cache = new TokenCache<number>(4, 1000)
  for (const token of ['a', 'b', 'c']) cache.keep(token, 1) // a and b are the old generation now
  cache.drop('a')
  cache.drop('c')
  cache.drop('never kept')
  assert.equal(cache.find('a'), undefined)
  assert.equal(cache.find('c'), undefined)
  assert.equal(cache.find('b'), 1)
  assert.equal(cache.size, 1)
})

test('a token longer than half of all characters is not kept', () => {
  const cache = new TokenCache<number>(10, 100)
  cache.keep('short', 1)
  cache.keep('x'.repeat(51), 2)
  assert.equal(cache.find('x'.repeat(51)), undefined)
  assert.equal(cache.find('short'), 1)
  cache.keep('x'.repeat(50), 3)
  assert.equal(cache.find('x'.repeat(50)), 3)
})

test('admits every token while there is room, and then those that come again soon', () => {
  const cache = new TokenCache<number>(100, 100_000)
  const token = (index: number): string => `head.body.${randomBytes(32).toString('base64url')}${index % 10}x`
  const offer = (text: string): boolean => {
    if (cache.find(text) !== undefined) return true
    if (!cache.admits(text)) return false
    cache.keep(text, 1)
    return true
  }
  const early = Array.from({ length: 50 }, (_, index) => token(index))
  assert.ok(early.every(offer), 'the young generation has room')
  offer(token(0))
  const once = Array.from({ length: 2000 }, (_, index) => token(index))
  assert.ok(once.filter(offer).length < 30, 'tokens that come once are left out')
  assert.equal(cache.find(early[49]!), 1, 'and push nobody out')
  const again = token(7)
  assert.equal(offer(again), false)
  assert.equal(offer(again), true)
  assert.equal(cache.find(again), 1)
})

test('is empty after clear', () => {
  const cache = new TokenCache<number>(4, 1000)
  for (const token of ['a', 'b', 'c']) cache.keep(token, 1)
  cache.clear()
  assert.equal(cache.size, 0)
  assert.equal(cache.find('a'), undefined)
})

test('never gives what was not kept for that text last, and never holds more than it may', () => {
  const token = fc.string({ minLength: 1, maxLength: 12 })
  const step = fc.oneof(
    fc.record({ kind: fc.constant('keep' as const), token }),
    fc.record({ kind: fc.constant('find' as const), token }),
    fc.record({ kind: fc.constant('drop' as const), token }),
  )
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 8 }),
      fc.integer({ min: 2, max: 60 }),
      fc.array(step, { maxLength: 200 }),
      (maxEntries, maxCharacters, steps) => {
        const cache = new TokenCache<number>(maxEntries, maxCharacters)
        const model = new Map<string, number>()
        for (const [index, { kind, token }] of steps.entries()) {
          if (kind === 'keep') {
            cache.keep(token, index)
            model.set(token, index)
          } else if (kind === 'drop') {
            cache.drop(token)
            model.delete(token)
          } else {
            const found = cache.find(token)
            assert.ok(found === undefined || found === model.get(token))
          }
          assert.ok(cache.size <= maxEntries)
        }
        // Looking may push tokens out but brings none in, so all that is found was there.
        const held = [...model.keys()].filter((token) => cache.find(token) !== undefined)
        assert.ok(held.join('').length <= maxCharacters)
      },
    ),
  )
})

test('texts that differ in a few characters, wherever those stand, are kept side by side', () => {
  const cache = new TokenCache<number>(2000, 1_000_000)
  const texts = Array.from({ length: 1000 }, (_, index) => {
    const coordinates = randomBytes(64).toString('base64url')
    return `eyJhbGciOiJFUzI1NiIsImp3ayI6eyJ${coordinates}InR5cCI6ImRwb3Arand0In0`.slice(index % 2)
  })
  texts.forEach((text, index) => void cache.keep(text, index))
  const found = texts.filter((text, index) => cache.find(text) === index)
  assert.ok(found.length >= 998, `only ${found.length} of 1000 were found`)
})

test('texts of one mark push each other out, and are never taken for each other', () => {
  const cache = new TokenCache<number>(10, 100_000)
  // Two texts that differ only where no character is looked at.
  const one = `${'a'.repeat(100)}b${'a'.repeat(99)}`
  const other = `${'a'.repeat(101)}b${'a'.repeat(98)}`
  cache.keep(one, 1)
  assert.equal(cache.find(other), undefined)
  cache.drop(other)
  assert.equal(cache.find(one), 1)
  cache.keep(other, 2)
  assert.equal(cache.find(other), 2)
  assert.equal(cache.find(one), undefined)
  assert.equal(cache.size, 1)
})
