/** Guard, token client and issuer together: the caller's identity from service to service, and in transactions. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createTokenSource } from '@countersign/sdk/client'
import { createGuard } from '@countersign/sdk/guard'
import type { Guard } from '@countersign/sdk/guard'
import type { Principal } from '@countersign/sdk/policy'
import { startIssuer } from '../issuer/fixture.ts'
import { chainTrust, secretOf } from '../issuer/exchange.ts'

const clients = [...chainTrust().clients.values()].map((client) => {
  if (client.id === 'billing-api') return { ...client, mayTransact: ['pay', 'refund'] }
  return client.id === 'stock-api' ? { ...client, mayTransact: ['pay'] } : client
})
const transactions = { trustDomain: 'acme.example', lifetimeSeconds: 60 }
const fixture = await startIssuer({ trust: { ...chainTrust({ clients }), transactions } })
after(() => fixture.close())
const clock = (): number => fixture.clock.nowMs
const issuer = fixture.url

const [billing, stock, ledger] = ['billing', 'stock', 'ledger'].map((name) =>
  createGuard({ issuer, audience: audienceOf(name), clock }),
) as [Guard, Guard, Guard]
const domain = createGuard({
  issuer,
  audience: 'acme.example',
  types: ['txntoken+jwt'],
  tokenFrom: [{ header: 'Txn-Token' }],
  clock,
})

test('front, billing, stock, ledger: each sees who began and who acts now', async () => {
  const front = await source('front', 'billing').authHeader()
  const atBilling = await authBy(billing, ['Authorization', front])
  const toStock = await source('billing-api', 'stock').onBehalfOf(atBilling).authHeader()
  const atStock = await authBy(stock, ['Authorization', toStock])
  const toLedger = await source('stock-api', 'ledger').onBehalfOf(atStock).authHeader()
  const { subject, actor, roles, scopes } = await authBy(ledger, ['Authorization', toLedger])
  assert.deepEqual(
    [subject, actor?.subject, actor?.actor?.subject, [...roles], [...scopes]],
    ['front', 'stock-api', 'billing-api', ['reader'], ['read']],
  )
  assert.ok(atStock.expiresAtSeconds <= atBilling.expiresAtSeconds)
})

test('a token that was sent to somebody else is not exchanged', async () => {
  const auth = await authBy(billing, ['Authorization', await source('front', 'billing').authHeader()])
  await assert.rejects(source('stock-api', 'ledger').onBehalfOf(auth).token(), { code: 'token-refused' })
})

test('a transaction begins, goes on for less, and says the same to everybody', async () => {
  const auth = await authBy(billing, ['Authorization', await source('front', 'billing').authHeader()])
  const options = { scopes: ['pay', 'refund'], details: { invoice: 7 } }
  const begun = await source('billing-api', 'acme.example').transaction(auth, options)
  const first = await authBy(domain, ['Txn-Token', begun.secret.revealText()])
  const next = await source('stock-api', 'acme.example').transaction(first, { scopes: ['pay'] })
  const second = await authBy(domain, ['Txn-Token', next.secret.revealText()])
  for (const { subject, claims } of [first, second]) {
    assert.deepEqual(
      [subject, { ...(claims['tctx'] as object) }, claims['txn']],
      ['front', { invoice: 7 }, first.claims['txn']],
    )
  }
  assert.deepEqual([[...first.scopes], [...second.scopes]], [['pay', 'refund'], ['pay']])
  const asAccess = ['Authorization', `Bearer ${next.secret.revealText()}`]
  const decision = await stock.check({ method: 'GET', target: '/', rawHeaders: asAccess }, 'authenticated')
  assert.equal(decision.kind, 'deny', 'it is no access token')
})

function source(id: string, to: string) {
  const audience = to === transactions.trustDomain ? to : audienceOf(to)
  return createTokenSource({ issuer, clientId: id, clientSecret: secretOf(id), audience, clock })
}

function audienceOf(name: string): string {
  return chainTrust().services.get(name)!.audience
}

async function authBy(guard: Guard, rawHeaders: readonly string[]): Promise<Principal> {
  const decision = await guard.check({ method: 'GET', target: '/', rawHeaders }, 'authenticated')
  assert.ok(decision.kind === 'allow', decision.kind === 'deny' ? decision.denial.detail : '')
  return decision.principal!
}
