import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createKeySet,
  createSigner,
  createVerifier,
  generateSigningKey,
  verificationKey,
} from '@countersign/sdk/jwt'
import type { VerifiedToken } from '@countersign/sdk/jwt'
import { compilePolicy } from '@countersign/sdk/policy'
import type { Requirement } from '@countersign/sdk/policy'
import type { ReadyRoute } from './routes.ts'
import { TokenFacts } from './token-facts.ts'

test('decides for each token and route, and answers the same again', () => {
  const facts = new TokenFacts(new Map())
  const reader = route({ roles: 'reader' })
  const admin = route({ roles: 'admin' })
  const token = verified({ roles: ['reader'] })
  const allowed = facts.decide(token, reader)
  const refused = facts.decide(token, admin)
  assert.ok('identity' in allowed)
  assert.ok(allowed.identity.includes('Countersign-Roles: ["reader"]\r\n'))
  assert.ok('reason' in refused)
  assert.equal(refused.reason, 'role-missing')
  for (let i = 0; i < 3; i++) {
    assert.equal(facts.decide(token, admin), refused)
    assert.equal(facts.decide(token, reader), allowed)
    assert.equal(facts.decide(token, reader), allowed)
  }
})

test('what one token may do says nothing about another', () => {
  const facts = new TokenFacts(new Map())
  const reader = route({ roles: 'reader' })
  assert.ok('identity' in facts.decide(verified({ roles: ['reader'] }), reader))
  assert.ok('reason' in facts.decide(verified({ roles: ['guest'] }), reader))
  assert.ok('reason' in facts.decide(verified({}), reader))
})

test('roles are read where the issuer keeps them', () => {
  const facts = new TokenFacts(new Map([['https://i', '/realm_access/roles']]))
  const reader = route({ roles: 'reader' })
  assert.ok('identity' in facts.decide(verified({ realm_access: { roles: ['reader'] } }), reader))
  assert.ok('reason' in facts.decide(verified({ roles: ['reader'] }), reader))
})

test('a token whose identity cannot be passed on may use no route', () => {
  const facts = new TokenFacts(new Map())
  for (const claims of [{ sub: 'x'.repeat(5_000) }, { act: { nobody: 1 } }]) {
    const refused = facts.decide(verified(claims), route('authenticated'))
    assert.ok('reason' in refused)
    assert.equal(refused.reason, 'claim-malformed')
  }
})

function route(requirement: Requirement): ReadyRoute {
  return {
    method: 'GET',
    template: '/',
    name: 'GET /',
    line: 1,
    open: false,
    denialOf: compilePolicy(requirement),
    scopes: [],
    rules: undefined,
  }
}

function verified(claims: Readonly<Record<string, unknown>>): VerifiedToken {
  const exp = Math.floor(Date.now() / 1000) + 60
  const token = signer.sign({ iss: 'https://i', aud: 'a', sub: 'orders', exp, ...claims })
  const verification = verifier.verifyNow(token)
  assert.ok(verification?.kind === 'verified', JSON.stringify(verification))
  return verification.token
}

const key = generateSigningKey('ES256')
const signer = createSigner({ key })
const verifier = createVerifier({
  issuer: 'https://i',
  audience: 'a',
  keySet: createKeySet([verificationKey(key)]),
})
