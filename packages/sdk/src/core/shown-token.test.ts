import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { rememberShownToken, shownToken } from './shown-token.ts'

test('the token belongs to the object alone, and does not show in it', () => {
  const auth = Object.freeze({ subject: 'alice' })
  rememberShownToken(auth, 'a.b.c')
  assert.equal(shownToken(auth), 'a.b.c')
  assert.equal(shownToken({ ...auth }), undefined)
  assert.equal(shownToken(structuredClone(auth)), undefined)
  assert.ok(!inspect(auth, { showHidden: true }).includes('a.b.c'))
  assert.equal(JSON.stringify(auth), '{"subject":"alice"}')
})

test('the latest counts, and what no guard has made has none', () => {
  const auth = { subject: 'alice' }
  rememberShownToken(auth, 'a.b.c')
  rememberShownToken(auth, 'd.e.f')
  assert.equal(shownToken(auth), 'd.e.f')
  assert.equal(shownToken({}), undefined)
  assert.deepEqual(Reflect.ownKeys(auth), ['subject'])
})
