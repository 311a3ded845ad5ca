import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTokenSource } from '../client/token-source.ts'
import { inspectToken } from '../jwt/inspect.ts'
import { dangerouslyAnyAudience } from '../jwt/verifier-options.ts'
import { startTestIssuer } from './loopback-issuer.ts'
import { createTestIssuer } from './memory-issuer.ts'
import type { TestToken } from './mint.ts'
import { readClients } from './test-client.ts'
import type { TestClient } from './test-client.ts'
import { createShownSubjects } from './token-exchange.ts'

const issuer = createTestIssuer({ audience: 'https://orders.test', nowMs: 1_800_000_000_000 })

test('a token that was sent to somebody else is exchanged for nobody', async () => {
  await using started = await startTestIssuer({
    audience: 'https://orders.test',
    clients: { orders: { secret: 'x-7-x', roles: ['reader'] } },
  })
  const guard = started.guard({ verifier: started.verifier({ audience: 'https://shipping.test' }) })
  const token = started.authorization({
    subject: 'alice',
    roles: 'reader',
    audience: 'https://shipping.test',
  })
  const rawHeaders = ['authorization', token]
  const decision = await guard.check({ method: 'GET', target: '/', rawHeaders }, 'authenticated')
  assert.ok(decision.kind === 'allow')
  const source = createTokenSource({ ...started.credentials('orders'), audience: 'https://anybody.test' })
  await assert.rejects(source.onBehalfOf(decision.principal!).token(), {
    code: 'token-refused',
    message: /audience-mismatch/,
  })
})

test('a client stands for the issuer’s audience, or for what it says', () => {
  const shipping = { audience: 'https://shipping.test' }
  assert.equal(outcome('s', {}), 'shown')
  assert.equal(outcome('s', shipping), 'audience-mismatch')
  const other: TestClient = { secret: 'x-7-x', mayExchange: ['https://shipping.test'] }
  assert.equal(outcome(other, {}), 'audience-mismatch')
  assert.equal(outcome(other, shipping), 'shown')
  assert.equal(outcome({ secret: 'x-7-x', mayExchange: [] }, {}), undefined)
  assert.equal(outcome({ secret: 'x-7-x', mayExchange: dangerouslyAnyAudience }, shipping), 'shown')
})

test('what the real issuer would not exchange either', () => {
  const many = Array.from({ length: 16 }, (_, index) => `actor-${index}`)
  for (const [wanted, expected] of [
    [{ dangerouslySignature: 'foreign' }, 'signature-invalid'],
    [{ lifetimeSeconds: -3 }, 'token-expired'],
    [{ claims: { sub: undefined } }, 'claim-missing'],
    [{ claims: { cnf: { unheard: 'of' } } }, 'proof-required'],
    [{ claims: { cnf: { jkt: 'thumbprint', 'x5t#S256': 'certificate' } } }, 'proof-required'],
    [{ claims: { may_act: { sub: 'billing' } } }, 'claim-refused'],
    [{ claims: { may_act: { sub: 'orders', tenant: 'acme' } } }, 'claim-refused'],
    [{ claims: { may_act: { iss: issuer.url } } }, 'claim-refused'],
    [{ claims: { may_act: 'orders' } }, 'claim-refused'],
    [{ actor: many }, 'claim-refused'],
    [{ actor: many.slice(1) }, 'shown'],
    [{ claims: { may_act: { sub: 'orders', iss: issuer.url } } }, 'shown'],
  ] as [TestToken, string][]) {
    assert.equal(outcome('s', wanted), expected, JSON.stringify(wanted))
  }
  const revoked = issuer.token()
  issuer.revoke(revoked)
  assert.equal(kindOf(subjects('s')('orders', revoked)), 'token-revoked')
})

test('what is bound stays bound, unless the client’s guard has seen the proof', () => {
  const token = issuer.token({ claims: { cnf: { jkt: 'thumbprint' } } })
  const bound = subjects('s')('orders', token)
  assert.equal(bound !== undefined && 'boundTo' in bound && bound.boundTo, 'thumbprint')
  const free = subjects({ secret: 'x-7-x', mayExchangeBound: true })('orders', token)
  assert.ok(free !== undefined && 'boundTo' in free && free.boundTo === undefined)
})

test('whoever revokes a token revokes what was exchanged for it', async () => {
  await using started = await startTestIssuer({ clients: { orders: 'x-7-x' } })
  const text = started.token({ subject: 'alice' })
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: text,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    client_id: 'orders',
    client_secret: 'x-7-x',
  })
  const reply = await fetch(`${started.url}/token`, { method: 'POST', body })
  const { access_token: exchanged } = (await reply.json()) as { access_token: string }
  const { jti } = inspectToken(text).claims!
  assert.deepEqual(inspectToken(exchanged).claims?.['lineage'], [{ iss: started.url, jti }])
  const verifier = started.verifier()
  assert.equal((await verifier.verify(exchanged)).kind, 'verified')
  started.revoke(text)
  assert.equal((await verifier.verify(exchanged)).kind, 'denied')
})

function subjects(client: TestClient) {
  return createShownSubjects(issuer, readClients({ orders: client }, issuer.audience), issuer.keySet())
}

function outcome(client: TestClient, wanted: TestToken): string | undefined {
  return kindOf(subjects(client)('orders', issuer.token(wanted)))
}

function kindOf(shown: ReturnType<ReturnType<typeof subjects>>): string | undefined {
  return shown === undefined ? undefined : 'reason' in shown ? shown.reason : 'shown'
}
