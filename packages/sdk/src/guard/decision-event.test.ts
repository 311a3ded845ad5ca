import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deny } from '../core/denial.ts'
import { Problem } from '../core/problem.ts'
import { generateSigningKey } from '../jwt/key-readers.ts'
import { createSigner } from '../jwt/signer.ts'
import { decisionEvent, outageEvent } from './decision-event.ts'

const signer = createSigner({ key: generateSigningKey('ES256', { keyId: 'k1' }) })

test('a refused token is told by what it says of itself, and never repeated', () => {
  const token = signer.sign({ iss: 'https://issuer.example', jti: 'j1', client_id: 'orders', sub: 'alice' })
  const event = decisionEvent(7, 'GET', '/a', deny('token-expired', 'x'), token)
  assert.deepEqual(event, {
    kind: 'deny',
    atMs: 7,
    method: 'GET',
    route: '/a',
    reason: 'token-expired',
    detail: 'x',
    token: undefined,
    claimed: { issuer: 'https://issuer.example', tokenId: 'j1', keyId: 'k1', clientId: 'orders' },
  })
  for (const segment of token.split('.')) assert.ok(!JSON.stringify(event).includes(segment))
})

test('what a token says of itself cannot fill or forge the log', () => {
  for (const jti of ['a\nb', '\u007f', 'x'.repeat(257), 7, { a: 1 }, null]) {
    const token = signer.sign({ iss: 'i', jti })
    assert.equal(decisionEvent(0, 'GET', '/', deny('token-expired', 'x'), token).claimed?.tokenId, undefined)
  }
  for (const text of ['', 'a', 'a.b.c', 'é.é.é', 'x'.repeat(20_000)]) {
    assert.deepEqual(decisionEvent(0, 'GET', '/', deny('token-malformed', 'x'), text).claimed, {
      issuer: undefined,
      tokenId: undefined,
      keyId: undefined,
      clientId: undefined,
    })
  }
})

test('an outage carries the code of its problem', () => {
  const known = outageEvent(7, 'GET', undefined, new Problem('keys-unavailable', 'no answer'))
  assert.deepEqual([known.kind, known.reason, known.detail], ['unable', 'keys-unavailable', 'no answer'])
  assert.equal(outageEvent(7, 'GET', undefined, new TypeError('x')).reason, 'internal')
  assert.equal(outageEvent(7, 'GET', undefined, 'x').reason, 'internal')
})
