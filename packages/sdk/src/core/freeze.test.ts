import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freezeDeep } from './freeze.ts'

test('freezes objects and lists at every depth, and gives the same value back', () => {
  const value = { act: { sub: 'orders', act: { sub: 'web' } }, aud: ['a', { b: ['c'] }] }
  assert.equal(freezeDeep(value), value)
  for (const part of [
    value,
    value.act,
    value.act.act,
    value.aud,
    value.aud[1],
    (value.aud[1] as { b: [] }).b,
  ]) {
    assert.ok(Object.isFrozen(part))
  }
  assert.throws(() => value.aud.push('d'), TypeError)
  assert.throws(() => {
    value.act.act.sub = 'admin'
  }, TypeError)
})

for (const value of ['text', 7, true, null, undefined]) {
  test(`gives ${String(value)} back`, () => {
    assert.equal(freezeDeep(value), value)
  })
}
