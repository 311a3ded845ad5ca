import assert from 'node:assert/strict'
import { test } from 'node:test'
import { auditEntry } from './audit.ts'

test('what happens by itself was done by the issuer', () => {
  assert.deepEqual(auditEntry({ nowMs: 7, action: 'key.retired', subject: 'k1' }), {
    atMs: 7,
    actor: 'issuer',
    action: 'key.retired',
    subject: 'k1',
    outcome: 'done',
    detail: '{}',
  })
})

test('no character that a store or a terminal could stumble over', () => {
  const odd = auditEntry({
    nowMs: 7,
    actor: 'client a\u0000\u001b[2Jé\ud800',
    action: 'admin.refused',
    subject: 'x'.repeat(300),
    outcome: 'refused',
    detail: { name: 'Zoë\u0000\u007f' },
  })
  assert.equal(odd.actor, 'client a??[2J??')
  assert.equal(odd.subject.length, 256)
  assert.equal(odd.detail, '{"name":"Zo\\u00eb\\u0000\\u007f"}')
})
