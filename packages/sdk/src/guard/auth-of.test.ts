import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Principal } from '../policy/principal.ts'
import { createTestIssuer } from '../testing/memory-issuer.ts'
import { createAuthContext } from './auth-context.ts'
import { authOf, proceed, rememberAuth } from './auth-of.ts'

const issuer = createTestIssuer()
const guard = issuer.guard()

test('who acts is what a guard remembered, and for that request alone', async () => {
  const request = {}
  const principal = await principalOf()
  rememberAuth(request, principal, guard)
  assert.equal(authOf(request), principal)
  assert.throws(() => authOf({}), { code: 'auth-missing' })
})

test('an open guard adds nobody and takes nobody away', async () => {
  const request = {}
  rememberAuth(request, undefined, guard)
  assert.throws(() => authOf(request), { code: 'auth-missing' })
  const principal = await principalOf()
  rememberAuth(request, principal, guard)
  rememberAuth(request, undefined, guard)
  assert.equal(authOf(request), principal)
})

test('a property that somebody else has put there is not taken for one', async () => {
  assert.throws(() => authOf({ auth: { subject: 'mallory' } }), { code: 'auth-missing' })
  const auth = await principalOf()
  assert.throws(() => authOf({ auth }), { code: 'auth-missing' })
})

test('of two guards, the word of the one that is asked for counts', async () => {
  const request = {}
  const principal = await principalOf()
  rememberAuth(request, principal, guard)
  assert.equal(authOf(request, guard), principal)
  assert.throws(() => authOf(request, issuer.guard()), { code: 'auth-missing' })
})

test('what comes next runs for whom a guard remembered, and for nobody where nobody is known', async () => {
  const context = createAuthContext()
  const tracking = issuer.guard({ context })
  const [principal, request] = [await principalOf(), {}]
  context.run(principal, () => {
    proceed(request, tracking, () => assert.throws(() => context.auth(), { code: 'auth-missing' }))
  })
  rememberAuth(request, principal, tracking)
  rememberAuth(request, undefined, tracking)
  assert.equal(
    proceed(request, tracking, () => context.auth()),
    principal,
  )
  proceed(request, guard, () => assert.throws(() => context.auth(), { code: 'auth-missing' }))
})

async function principalOf(): Promise<Principal> {
  const rawHeaders = ['Authorization', issuer.authorization()]
  const decision = await guard.check({ method: 'GET', target: '/', rawHeaders }, 'authenticated')
  assert.ok(decision.kind === 'allow' && decision.principal !== undefined)
  return decision.principal
}
