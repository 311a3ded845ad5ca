import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shownToken } from '../core/shown-token.ts'
import type { VerifiedToken } from '../jwt/verified-token.ts'
import { createTestIssuer } from '../testing/memory-issuer.ts'
import { Callers } from './callers.ts'
import type { Caller } from './callers.ts'

const issuer = createTestIssuer()
const verifier = issuer.verifier()
const roles = () => ['roles']

test('who acts is read once per token, and the token is remembered beside it', async () => {
  const callers = new Callers(roles, undefined)
  const text = issuer.token({ subject: 'alice', roles: 'reader' })
  const token = await verified(text)
  const caller = callers.of(token, text) as Caller
  assert.equal(caller, callers.of(token, text))
  assert.equal(caller.auth, caller.principal)
  assert.equal(shownToken(caller.auth), text)
})

test('with a schema, the token belongs to what the service gets', async () => {
  const callers = new Callers(roles, ({ tenant }) => ({ claims: { tenant } }))
  const text = issuer.token({ claims: { tenant: 'acme', other: 1 } })
  const { principal, auth } = callers.of(await verified(text), text) as Caller
  assert.deepEqual(auth.claims, { tenant: 'acme' })
  assert.equal(principal.claims['other'], 1)
  assert.equal(shownToken(auth), text)
})

test('a refusal is kept as well, and a problem is not', async () => {
  let asked = 0
  const callers = new Callers(roles, () => {
    if (++asked === 1) throw new TypeError('once')
    return { reason: 'claims-mismatch', detail: 'x' }
  })
  const text = issuer.token()
  const token = await verified(text)
  assert.throws(() => callers.of(token, text))
  for (let time = 0; time < 2; time++) assert.ok('reason' in callers.of(token, text))
  assert.equal(asked, 2)
})

test('each issuer may have its roles elsewhere', async () => {
  const callers = new Callers((from) => (from === issuer.url ? ['realm', 'roles'] : ['roles']), undefined)
  const text = issuer.token({ roles: 'admin', claims: { realm: { roles: ['reader'] } } })
  assert.deepEqual([...(callers.of(await verified(text), text) as Caller).auth.roles], ['reader'])
})

async function verified(text: string): Promise<VerifiedToken> {
  const verification = await verifier.verify(text)
  assert.ok(verification.kind === 'verified')
  return verification.token
}
