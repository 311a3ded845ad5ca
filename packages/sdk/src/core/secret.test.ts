import assert from 'node:assert/strict'
import { format, inspect } from 'node:util'
import { test } from 'node:test'
import { Secret } from './secret.ts'

const text = 'correct horse battery staple'
const secret = Secret.fromText(text)

test('the bytes come out by reveal alone', () => {
  assert.deepEqual(secret.reveal(), Uint8Array.from(Buffer.from(text)))
  assert.equal(secret.revealText(), text)
  assert.equal(secret.byteLength, text.length)
})

for (const [way, shown] of [
  ['String()', String(secret)],
  ['a template', `${secret}`],
  ['concatenation', '' + secret],
  ['JSON', JSON.stringify({ secret })],
  ['inspect', inspect({ deep: { secret } }, { depth: 9, showHidden: true })],
  ['format %s', format('%s', secret)],
  ['format %o', format('%o', secret)],
  ['format %j', format('%j', secret)],
  ['an error message', new Error(`bad: ${secret}`).message],
] as const) {
  test(`${way} shows [secret]`, () => {
    assert.ok(shown.includes('[secret]'))
    assert.ok(!shown.includes('horse'))
    assert.ok(!shown.includes('104'))
  })
}

test('it has no member to walk over, spread or clone', () => {
  assert.deepEqual(Object.keys(secret), [])
  assert.deepEqual({ ...secret }, {})
  assert.deepEqual(structuredClone(secret), {})
})

test('what goes in and what comes out are copies', () => {
  const bytes = Uint8Array.of(1, 2, 3)
  const kept = new Secret(bytes)
  bytes.fill(0)
  kept.reveal().fill(9)
  assert.deepEqual(kept.reveal(), Uint8Array.of(1, 2, 3))
})

test('it cannot be changed', () => {
  assert.throws(() => Object.assign(secret, { reveal: () => new Uint8Array() }), TypeError)
})
