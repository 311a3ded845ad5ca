import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalPath } from '@countersign/sdk/policy'
import { conditionFacts } from './condition-facts.ts'

const path = canonicalPath('/accounts/7?x=1')
assert.ok('path' in path)
const asked = {
  path,
  service: undefined,
  route: undefined,
  params: { id: '7' },
  allow: undefined,
  ruled: undefined,
}

test('what is known is there, under the names of the documents', () => {
  const facts = conditionFacts(asked, 'GET', 'api.acme.example', {
    kind: 'user',
    issuer: 'i',
    subject: 's',
    clientId: 'c',
    actor: { subject: 'a', issuer: undefined, actor: undefined },
    scopes: new Set(['read']),
    roles: new Set(['reader']),
    tokenId: 't',
    expiresAtSeconds: 1,
    claims: { account: '7' },
  })
  assert.deepEqual(facts, {
    request: { method: 'GET', path: '/accounts/7', host: 'api.acme.example' },
    params: { id: '7' },
    principal: {
      kind: 'user',
      issuer: 'i',
      subject: 's',
      clientId: 'c',
      actor: 'a',
      roles: ['reader'],
      scopes: ['read'],
    },
    claims: { account: '7' },
  })
})

test('on an open route there is nobody', () => {
  const { principal, claims, request } = conditionFacts(asked, 'GET', undefined, undefined)
  assert.deepEqual([principal, claims, request.host], [{}, {}, ''])
})
