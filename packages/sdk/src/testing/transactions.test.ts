import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTokenSource } from '../client/token-source.ts'
import type { AccessToken } from '../client/token-source.ts'
import { inspectToken } from '../jwt/inspect.ts'
import type { Principal } from '../policy/principal.ts'
import { readForm } from '../core/form.ts'
import type { Form } from '../core/form.ts'
import { startTestIssuer } from './loopback-issuer.ts'
import type { StartedTestIssuer } from './loopback-issuer.ts'
import { createTestIssuer } from './memory-issuer.ts'
import { readClients } from './test-client.ts'
import { createShownSubjects } from './token-exchange.ts'
import { createTransactions } from './transactions.ts'

const trustDomain = 'acme.example'
const clients = {
  billing: { secret: 'x-7-x', mayTransact: ['pay', 'notify'] },
  bank: { secret: 'x-7-x', mayTransact: ['pay'] },
  shop: 'x-7-x',
}

test('a transaction begins, and goes on for less', async () => {
  await using issuer = await startTestIssuer({ trustDomain, clients })
  const alice = await authOf(issuer, issuer.token({ subject: 'alice' }))
  const begun = await source(issuer, 'billing').transaction(alice, {
    scopes: ['pay', 'notify'],
    details: { invoice: 7 },
    context: { ip: '192.0.2.1' },
  })
  const { header, claims } = inspectToken(begun.secret.revealText())
  assert.equal(header?.['typ'], 'txntoken+jwt')
  assert.deepEqual([claims?.['sub'], claims?.['aud'], claims?.['req_wl']], ['alice', trustDomain, 'billing'])
  assert.deepEqual([claims?.['tctx'], claims?.['rctx']], [{ invoice: 7 }, { ip: '192.0.2.1' }])
  assert.ok(!('client_id' in claims!) && !('roles' in claims!), 'it is no credential')

  const first = await transactionOf(issuer, begun)
  const next = await source(issuer, 'bank').transaction(first, { scopes: ['pay'] })
  const after = inspectToken(next.secret.revealText()).claims!
  assert.deepEqual(
    [after['txn'], after['tctx'], after['req_wl'], after['scope']],
    [claims?.['txn'], { invoice: 7 }, 'bank', 'pay'],
  )
  const narrowed = await transactionOf(issuer, next)
  for (const options of [{ scopes: ['pay', 'notify'] }, { scopes: ['pay'], details: { invoice: 8 } }]) {
    await assert.rejects(source(issuer, 'billing').transaction(narrowed, options), { code: 'token-refused' })
  }
})

test('who may not, what for, for whom', async () => {
  await using issuer = await startTestIssuer({ trustDomain, clients })
  const alice = await authOf(issuer, issuer.token({ subject: 'alice' }))
  await assert.rejects(source(issuer, 'shop').transaction(alice, { scopes: ['pay'] }), {
    message: /unauthorized_client/,
  })
  await assert.rejects(source(issuer, 'bank').transaction(alice, { scopes: ['notify'] }), {
    message: /invalid_scope/,
  })
  const other = createTokenSource({ ...issuer.credentials('bank'), audience: 'other.example' })
  await assert.rejects(other.transaction(alice, { scopes: ['pay'] }), { message: /invalid_target/ })
  issuer.revoke({ subject: 'alice' })
  await assert.rejects(source(issuer, 'bank').transaction(alice, { scopes: ['pay'] }), {
    message: /token-revoked/,
  })
  await using without = await startTestIssuer({ clients })
  const bob = await authOf(without, without.token({ subject: 'bob' }))
  await assert.rejects(source(without, 'bank').transaction(bob, { scopes: ['pay'] }), {
    message: /unauthorized_client/,
  })
})

test('what is shown must be an access token or a transaction token, and what is said JSON objects', () => {
  const issuer = createTestIssuer()
  const [keySet, known] = [issuer.keySet(), readClients(clients, issuer.audience)]
  const subjects = createShownSubjects(issuer, known, keySet)
  const transact = createTransactions(trustDomain, { issuer, keySet, subjects })
  const ask = (other: Record<string, string>, more = '') => {
    const form = { audience: trustDomain, scope: 'pay', subject_token: issuer.token(), subject_token_type }
    const body = `${new URLSearchParams({ ...form, ...other })}${more}`
    const read = readForm('application/x-www-form-urlencoded', Buffer.from(body))
    return transact('bank', ['pay'], read as Form)
  }
  assert.ok('subject' in ask({ request_details: '{"invoice":7}' }))
  for (const other of [
    { subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' },
    { request_details: '7' },
    { request_details: '{"invoice":7,"invoice":8}' },
    { request_context: `{"ip":"${'x'.repeat(5000)}"}` },
  ] as Record<string, string>[]) {
    assert.deepEqual(ask(other), { error: 'invalid_request' })
  }
  for (const scope of ['', 'pay ', 'pay  pay']) assert.deepEqual(ask({ scope }), { error: 'invalid_scope' })
  const twice = ask({ scope: 'pay pay' })
  assert.deepEqual('scopes' in twice && twice.scopes, ['pay'])
  for (const more of ['&audience=other.example', `&audience=${trustDomain}`, '&resource=https://x.test']) {
    assert.deepEqual(ask({}, more), { error: 'invalid_target' })
  }
})

const subject_token_type = 'urn:ietf:params:oauth:token-type:access_token'

function source(issuer: StartedTestIssuer, clientId: string) {
  return createTokenSource({ ...issuer.credentials(clientId), audience: trustDomain })
}

/** Who acts, as a guard that takes transaction tokens gives it. */
function transactionOf(issuer: StartedTestIssuer, { secret }: AccessToken): Promise<Principal> {
  const verifier = issuer.verifier({ audience: trustDomain, types: ['txntoken+jwt'] })
  return authOf(issuer, secret.revealText(), issuer.guard({ verifier }))
}

async function authOf(issuer: StartedTestIssuer, token: string, guard = issuer.guard()): Promise<Principal> {
  const rawHeaders = ['Authorization', `Bearer ${token}`]
  const decision = await guard.check({ method: 'GET', target: '/', rawHeaders }, 'authenticated')
  assert.ok(decision.kind === 'allow' && decision.principal !== undefined)
  return decision.principal
}
