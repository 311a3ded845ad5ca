import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Principal } from '../policy/principal.ts'
import { createTestIssuer } from '../testing/memory-issuer.ts'
import { authOf, rememberAuth } from './auth-of.ts'

test('who acts is what a guard remembered, and for that request alone', async () => {
  const request = {}
  const principal = await principalOf()
  rememberAuth(request, principal)
  assert.equal(authOf(request), principal)
  assert.throws(() => authOf({}), { code: 'auth-missing' })
})

test('an open guard adds nobody and takes nobody away', async () => {
  const request = {}
  rememberAuth(request, undefined)
  assert.throws(() => authOf(request), { code: 'auth-missing' })
  const principal = await principalOf()
  rememberAuth(request, principal)
  rememberAuth(request, undefined)
  assert.equal(authOf(request), principal)
})

test('a property that somebody else has put there is not taken for one', async () => {
  assert.throws(() => authOf({ auth: { subject: 'mallory' } }), { code: 'auth-missing' })
  const auth = await principalOf()
  assert.throws(() => authOf({ auth }), { code: 'auth-missing' })
})

async function principalOf(): Promise<Principal> {
  const issuer = createTestIssuer()
  const rawHeaders = ['Authorization', issuer.authorization()]
  const decision = await issuer.guard().check({ method: 'GET', target: '/', rawHeaders }, 'authenticated')
  assert.ok(decision.kind === 'allow' && decision.principal !== undefined)
  return decision.principal
}
