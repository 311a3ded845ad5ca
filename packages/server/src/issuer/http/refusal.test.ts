import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, refuse } from './refusal.ts'

test('a refusal is 400 unless it challenges or says otherwise', () => {
  assert.equal(refuse('invalid_scope', 'x').status, 400)
  assert.equal(refuse('invalid_client', 'x').status, 400)
  assert.equal(refuse('invalid_client', 'x', { challenge: true }).status, 401)
  assert.equal(
    refuse('temporarily_unavailable', 'x', { status: 429, retryAfterSeconds: 7 }).retryAfterSeconds,
    7,
  )
})

test('a description holds only the characters that RFC 6749 §5.2 allows', () => {
  const every = Array.from({ length: 0x180 }, (_, code) => String.fromCharCode(code)).join('') + '\u{1f511}'
  const { description } = refuse('invalid_request', every)
  for (const character of description) {
    const code = character.charCodeAt(0)
    const allowed =
      code === 0x20 || code === 0x21 || (code >= 0x23 && code <= 0x5b) || (code >= 0x5d && code <= 0x7e)
    assert.ok(allowed, `U+${code.toString(16)}`)
  }
  assert.equal(refuse('invalid_target', 'no "billing"\r\nX: \\ ü').description, "no 'billing'??X: ? ?")
})

test('a refusal is told from everything else', () => {
  assert.equal(isRefusal(refuse('invalid_grant', 'x')), true)
  assert.equal(isRefusal({}), false)
  assert.equal(isRefusal({ kind: 'granted' }), false)
})
