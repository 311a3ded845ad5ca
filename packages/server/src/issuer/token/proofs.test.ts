import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '@countersign/sdk/core'
import { createDpopKey, createDpopProof, inspectToken } from '@countersign/sdk/jwt'
import type { DpopKey } from '@countersign/sdk/jwt'
import { createMemoryStore } from '../../store/memory.ts'
import type { DpopSettings } from '../../trust/trust.ts'
import { createIssuerProofs } from './proofs.ts'
import { chainTrust, secretOf } from '../../../../../test/issuer/exchange.ts'
import { orders, ordersSecret, settings, startIssuer, trust } from '../../../../../test/issuer/fixture.ts'
import type { Fixture } from '../../../../../test/issuer/fixture.ts'

const grant = `grant_type=client_credentials&client_id=orders&client_secret=${ordersSecret}`

test('a token for whoever proves a key: DPoP by its type, bound by its cnf', async () => {
  await using issuer = await start()
  const key = createDpopKey()
  const answer = await issuer.ask(grant, proven(issuer, key))
  assert.deepEqual([answer.status, answer.json['token_type']], [200, 'DPoP'])
  assert.deepEqual(claimsIn(answer)['cnf'], { jkt: key.thumbprint })
  assert.equal(answer.headers['dpop-nonce'], undefined)
  assert.equal((await issuer.ask(grant)).json['token_type'], 'Bearer')
})

test('a proof counts once among replicas that share a store', async () => {
  const store = createMemoryStore()
  const [one, other] = [{ dpop: undefined }, {}].map(() =>
    createIssuerProofs({ settings: settings('https://issuer.example'), store }),
  )
  const url = 'https://issuer.example/token'
  const request = {
    rawHeaders: ['DPoP', createDpopProof({ key: createDpopKey(), method: 'POST', url })],
    method: 'POST',
    url,
    nowMs: Date.now(),
  }
  assert.equal((await one!.check(request)).kind, 'proven')
  assert.equal((await other!.check(request)).kind, 'denied')
})

test('a proof that came with a mistaken request is not used up', async () => {
  await using issuer = await start()
  const headers = proven(issuer, createDpopKey())
  assert.equal((await issuer.ask(`${grant}&scope=all`, headers)).json['error'], 'invalid_scope')
  assert.equal((await issuer.ask(grant, headers)).status, 200)
  const again = await issuer.ask(grant, headers)
  assert.deepEqual([again.status, again.json['error']], [400, 'invalid_dpop_proof'])
})

test('nonces: asked for, given, taken, and renewed before they end', async () => {
  await using issuer = await start({ nonces: true, nonceSecret: undefined })
  const key = createDpopKey()
  const first = await issuer.ask(grant, proven(issuer, key))
  assert.deepEqual([first.status, first.json['error']], [400, 'use_dpop_nonce'])
  const nonce = first.headers['dpop-nonce'] as string
  assert.equal((await issuer.ask(grant, proven(issuer, key, nonce))).status, 200)
  issuer.clock.nowMs += 60_000
  const later = await issuer.ask(grant, proven(issuer, key, nonce))
  assert.equal(later.status, 200)
  const next = later.headers['dpop-nonce'] as string
  assert.ok(next !== undefined && next !== nonce)
  issuer.clock.nowMs += 60_000
  const old = await issuer.ask(grant, proven(issuer, key, nonce))
  assert.equal(old.json['error'], 'use_dpop_nonce')
  const broken = await issuer.ask(grant, { DPoP: 'x' })
  assert.deepEqual(
    [broken.json['error'], typeof broken.headers['dpop-nonce']],
    ['invalid_dpop_proof', 'string'],
  )
  assert.equal((await issuer.ask(grant)).status, 200, 'a client that binds nothing needs none')
})

test('replicas agree on nonces: by the seal, or by a secret of their own', () => {
  const seal = Secret.fromText('seal-secret-of-32-bytes-and-more-0001')
  const nonceSecret = Secret.fromText('nonce-secret-of-32-bytes-and-more-01')
  const nonceBy = (dpop: DpopSettings, by: Secret | undefined): string => {
    const { keys } = settings('https://issuer.example')
    const proofs = createIssuerProofs({
      settings: { keys: { ...keys, seal: by }, dpop },
      store: createMemoryStore(),
    })
    return proofs.currentNonce(1_800_000_000_000)!
  }
  const bySeal = { nonces: true, nonceSecret: undefined }
  assert.equal(nonceBy(bySeal, seal), nonceBy(bySeal, seal))
  const bySecret = { nonces: true, nonceSecret }
  assert.equal(nonceBy(bySecret, seal), nonceBy(bySecret, undefined))
  assert.equal(new Set([nonceBy(bySeal, seal), nonceBy(bySecret, seal), nonceBy(bySeal, undefined)]).size, 3)
})

test('an exchange of a bound token needs its proof, unless the trust file says the guard has seen it', async () => {
  const chain = chainTrust()
  const clients = [...chain.clients.values()].map((client) =>
    client.id === 'stock-api' ? { ...client, mayExchange: ['billing'], mayExchangeBound: true } : client,
  )
  await using issuer = await startIssuer({ trust: chainTrust({ clients }) }).then(disposable)
  const key = createDpopKey()
  const got = await issuer.ask(as('front', 'grant_type=client_credentials'), proven(issuer, key))
  const exchange = (by: string) =>
    as(
      by,
      `grant_type=urn:ietf:params:oauth:grant-type:token-exchange&audience=ledger&subject_token=${got.json['access_token']}` +
        '&subject_token_type=urn:ietf:params:oauth:token-type:access_token',
    )
  const without = await issuer.ask(exchange('billing-api'))
  assert.deepEqual([without.status, without.json['error']], [400, 'invalid_dpop_proof'])
  const other = await issuer.ask(exchange('billing-api'), proven(issuer, createDpopKey()))
  assert.deepEqual([other.status, other.json['error']], [400, 'invalid_request'])
  const same = await issuer.ask(exchange('billing-api'), proven(issuer, key))
  assert.deepEqual([same.json['token_type'], claimsIn(same)['cnf']], ['DPoP', { jkt: key.thumbprint }])
  const changed = createDpopKey()
  const seen = await issuer.ask(exchange('stock-api'), proven(issuer, changed))
  assert.deepEqual(claimsIn(seen)['cnf'], { jkt: changed.thumbprint })
})

async function start(dpop?: DpopSettings) {
  if (dpop === undefined) return disposable(await startIssuer())
  return disposable(
    await startIssuer({ settings: { ...settings('https://issuer.example'), dpop }, trust: trust([orders]) }),
    'https://issuer.example',
  )
}

function disposable(fixture: Fixture, publicUrl = fixture.url) {
  return { ...fixture, publicUrl, [Symbol.asyncDispose]: () => fixture.close() }
}

type Started = Awaited<ReturnType<typeof start>>

function proven({ publicUrl, clock }: Started, key: DpopKey, nonce?: string): { DPoP: string } {
  const options = { key, method: 'POST', url: `${publicUrl}/token`, nowMs: clock.nowMs }
  return { DPoP: createDpopProof(nonce === undefined ? options : { ...options, nonce }) }
}

function as(client: string, body: string): string {
  return `${body}&client_id=${client}&client_secret=${secretOf(client)}`
}

function claimsIn(answer: { readonly json: Record<string, unknown> }): Record<string, unknown> {
  const inspection = inspectToken(String(answer.json['access_token']))
  return inspection.claims as Record<string, unknown>
}
