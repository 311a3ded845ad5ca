import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createGuard } from '@countersign/sdk/guard'
import {
  createDpopKey,
  createDpopProof,
  createVerifier,
  inspectToken,
  readSecretSigningKey,
} from '@countersign/sdk/jwt'
import { tokenExchangeGrant } from './token-exchange.ts'
import { transactionTokenType } from './transactions.ts'
import { startIssuer } from '../../../../../test/issuer/fixture.ts'
import type { Answer } from '../../../../../test/issuer/fixture.ts'
import { chainTrust, login, loginSecret, secretOf, sign } from '../../../../../test/issuer/exchange.ts'

const accessToken = 'urn:ietf:params:oauth:token-type:access_token'
const base = chainTrust()
const clients = [...base.clients.values()].map((client) => {
  if (client.id === 'billing-api') return { ...client, mayTransact: ['pay', 'refund'] }
  return client.id === 'stock-api' ? { ...client, mayTransact: ['pay'], mayExchange: [] } : client
})
const transactions = { trustDomain: 'acme.example', lifetimeSeconds: 60 }
const fixture = await startIssuer({ trust: { ...chainTrust({ clients }), transactions } })
after(() => fixture.close())
const nowSeconds = Math.floor(fixture.clock.nowMs / 1000)
const fromFront = String(
  (await fixture.ask(as('front', { grant_type: 'client_credentials' }))).json['access_token'],
)

test('a transaction begins with the token that a service was called with', async () => {
  const answer = await ask('billing-api', fromFront, {
    scope: 'pay',
    request_details: '{"invoice":7,"amount":{"eur":12}}',
    request_context: '{"ip":"192.0.2.1"}',
  })
  assert.equal(answer.status, 200, answer.body)
  const { access_token: token, ...said } = answer.json
  assert.deepEqual(said, {
    token_type: 'N_A',
    expires_in: 60,
    scope: 'pay',
    issued_token_type: transactionTokenType,
  })
  const { header, claims } = inspectToken(String(token))
  assert.equal(header!['typ'], 'txntoken+jwt')
  const { txn, jti, lineage, ...rest } = claims!
  assert.match(String(txn), /^[\w-]{22}$/)
  assert.deepEqual(rest, {
    iss: fixture.url,
    aud: 'acme.example',
    sub: 'front',
    iat: nowSeconds,
    exp: nowSeconds + 60,
    scope: 'pay',
    req_wl: 'billing-api',
    tctx: { invoice: 7, amount: { eur: 12 } },
    rctx: { ip: '192.0.2.1' },
  })
  assert.equal(typeof jti, 'string')
  assert.deepEqual(lineage, [{ iss: fixture.url, jti: inspectToken(fromFront).claims!['jti'] }])
})

test('it goes on for less, as the same transaction', async () => {
  const begun = await ask('billing-api', fromFront, { scope: 'pay refund', request_details: '{"invoice":7}' })
  const next = await goOn('stock-api', begun, { scope: 'pay' })
  assert.equal(next.status, 200, next.body)
  const [before, now] = [claimsOf(begun), claimsOf(next)]
  assert.deepEqual([now['txn'], now['sub'], now['tctx']], [before['txn'], 'front', { invoice: 7 }])
  assert.deepEqual([now['scope'], now['req_wl']], ['pay', 'stock-api'])
  assert.ok(Number(now['exp']) <= Number(before['exp']))
  assert.equal((now['lineage'] as unknown[]).length, 2)
  const wider = await goOn('billing-api', next, { scope: 'pay refund' })
  assert.equal(wider.json['error'], 'invalid_scope')
  const beyond = await goOn('stock-api', begun, { scope: 'refund' })
  assert.equal(beyond.json['error'], 'invalid_scope')
  const retold = await goOn('stock-api', begun, { scope: 'pay', request_details: '{"invoice":8}' })
  assert.equal(retold.json['error'], 'invalid_request')
})

test('it does not go on from its end', async () => {
  const begun = await ask('billing-api', fromFront, { scope: 'pay refund' })
  const { nowMs } = fixture.clock
  // Within what verifiers tolerate.
  fixture.clock.nowMs = Number(claimsOf(begun)['exp']) * 1000 + 3000
  const next = await goOn('stock-api', begun, { scope: 'pay' })
  fixture.clock.nowMs = nowMs
  assert.deepEqual([next.status, next.json['error']], [400, 'invalid_request'])
})

test('a person of another issuer is named with it', async () => {
  const claims = { iss: login, sub: 'alice', aud: 'acme-web', exp: nowSeconds + 30 }
  const token = sign(readSecretSigningKey(loginSecret, { algorithm: 'HS256' }), claims, 'JWT')
  const answer = await ask('billing-api', token, { scope: 'pay' })
  assert.deepEqual(claimsOf(answer)['sub_id'], { format: 'iss_sub', iss: login, sub: 'alice' })
  assert.equal(claimsOf(answer)['exp'], nowSeconds + 30, 'no longer than what it began with')
  assert.deepEqual(
    claimsOf(await goOn('stock-api', answer, { scope: 'pay' }))['sub_id'],
    claimsOf(answer)['sub_id'],
  )
})

test('what begins with a bound token needs its proof', async () => {
  const key = createDpopKey()
  const proven = () => ({
    DPoP: createDpopProof({ key, method: 'POST', url: `${fixture.url}/token`, nowMs: fixture.clock.nowMs }),
  })
  const got = await fixture.ask(as('front', { grant_type: 'client_credentials' }), proven())
  const token = String(got.json['access_token'])
  assert.equal((await ask('billing-api', token, { scope: 'pay' })).json['error'], 'invalid_dpop_proof')
  const answer = await ask('billing-api', token, { scope: 'pay' }, proven())
  assert.deepEqual([answer.json['token_type'], claimsOf(answer)['cnf']], ['N_A', undefined])
})

describe('refused', () => {
  const cases: [what: string, client: string, fields: Record<string, string>, error: string][] = [
    ['a client that may begin nothing', 'front', { scope: 'pay' }, 'unauthorized_client'],
    ['a client that was called by nobody', 'stock-api', { scope: 'pay' }, 'unauthorized_client'],
    ['no scope', 'billing-api', {}, 'invalid_scope'],
    ['a scope it may not', 'billing-api', { scope: 'pay admin' }, 'invalid_scope'],
    ['a service for the trust domain', 'billing-api', { scope: 'pay', audience: 'stock' }, 'invalid_target'],
    ['a resource', 'billing-api', { scope: 'pay', resource: 'https://stock.acme.example' }, 'invalid_target'],
    ['an actor', 'billing-api', { scope: 'pay', actor_token: 'x' }, 'invalid_request'],
    ['another kind of token', 'billing-api', { scope: 'pay', subject_token_type: 'x' }, 'invalid_request'],
    ['no token', 'billing-api', { scope: 'pay', subject_token: '' }, 'invalid_request'],
    ['a forged token', 'billing-api', { scope: 'pay', subject_token: 'a.b.c' }, 'invalid_request'],
    [
      'an access token as a transaction token',
      'billing-api',
      { scope: 'pay', subject_token_type: transactionTokenType },
      'invalid_request',
    ],
    [
      'details that are no object',
      'billing-api',
      { scope: 'pay', request_details: '[1]' },
      'invalid_request',
    ],
    ['details twice', 'billing-api', { scope: 'pay', request_details: '{"a":1,"a":2}' }, 'invalid_request'],
    [
      'a context without end',
      'billing-api',
      { scope: 'pay', request_context: `{"a":"${'x'.repeat(4096)}"}` },
      'invalid_request',
    ],
  ]
  for (const [what, client, fields, error] of cases) {
    test(what, async () => {
      const answer = await ask(client, fromFront, fields)
      assert.deepEqual([answer.status, answer.json['error']], [400, error], answer.body)
    })
  }

  test('where the trust file has none', async () => {
    const plain = await startIssuer({ trust: chainTrust({ clients }) })
    const answer = await plain.ask(form('billing-api', fromFront, { scope: 'pay' }))
    assert.equal(answer.json['error'], 'unauthorized_client')
    await plain.close()
  })
})

test('it ends with the client that asked for it', async (t) => {
  const own = await startIssuer({ trust: { ...chainTrust({ clients }), transactions } })
  t.after(own.close)
  const called = (await own.ask(as('front', { grant_type: 'client_credentials' }))).json['access_token']
  const begun = await own.ask(form('billing-api', String(called), { scope: 'pay' }))
  const text = String(begun.json['access_token'])
  const verifier = createVerifier({
    issuer: own.url,
    audience: 'acme.example',
    types: ['txntoken+jwt'],
    keySet: own.issuer.keySet,
    revocations: own.issuer.revocations.revocations,
    clock: () => own.clock.nowMs,
  })
  assert.equal((await verifier.verify(text)).kind, 'verified')
  await own.issuer.revoke({ clientId: 'billing-api' }, { nowMs: own.clock.nowMs })
  const outcome = await verifier.verify(text)
  assert.ok(outcome.kind === 'denied' && outcome.denial.reason === 'token-revoked')
  const further = { scope: 'pay', subject_token_type: transactionTokenType }
  const next = await own.ask(form('stock-api', text, further))
  assert.equal(next.json['error'], 'invalid_request')
})

test('a service takes it from its own header, and nowhere is it an access token', async () => {
  const token = String((await ask('billing-api', fromFront, { scope: 'pay' })).json['access_token'])
  const guard = createGuard({
    issuer: fixture.url,
    audience: 'acme.example',
    types: ['txntoken+jwt'],
    keySet: fixture.issuer.keySet,
    tokenFrom: [{ header: 'Txn-Token' }],
    clock: () => fixture.clock.nowMs,
  })
  const request = { method: 'POST', target: '/payments', rawHeaders: ['Txn-Token', token] }
  const decision = await guard.check(request, { scopes: 'pay' })
  assert.equal(decision.kind, 'allow')
  assert.equal((await guard.check({ ...request }, { scopes: 'refund' })).kind, 'deny')
  const asAccess = createVerifier({
    issuer: fixture.url,
    audience: ['acme.example', 'https://billing.acme.example'],
    keySet: fixture.issuer.keySet,
    clock: () => fixture.clock.nowMs,
  })
  const outcome = await asAccess.verify(token)
  assert.ok(outcome.kind === 'denied' && outcome.denial.reason === 'type-mismatch')
  const exchanged = await fixture.ask(
    as('billing-api', {
      grant_type: tokenExchangeGrant,
      audience: 'stock',
      subject_token: token,
      subject_token_type: accessToken,
    }),
  )
  assert.equal(exchanged.json['error'], 'invalid_request')
})

function ask(client: string, token: string, fields: Record<string, string>, headers = {}): Promise<Answer> {
  return fixture.ask(form(client, token, fields), headers)
}

function goOn(client: string, before: Answer, fields: Record<string, string>): Promise<Answer> {
  return ask(client, String(before.json['access_token']), {
    subject_token_type: transactionTokenType,
    ...fields,
  })
}

function form(client: string, token: string, fields: Record<string, string>): string {
  return as(client, {
    grant_type: tokenExchangeGrant,
    requested_token_type: transactionTokenType,
    audience: 'acme.example',
    subject_token: token,
    subject_token_type: accessToken,
    ...fields,
  })
}

function as(client: string, fields: Record<string, string>): string {
  return new URLSearchParams({ client_id: client, client_secret: secretOf(client), ...fields }).toString()
}

function claimsOf(answer: Answer): Record<string, unknown> {
  assert.equal(answer.status, 200, answer.body)
  return inspectToken(String(answer.json['access_token'])).claims as Record<string, unknown>
}
