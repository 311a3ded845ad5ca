import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDpopChecker, createDpopKey, createDpopProof } from '@countersign/sdk/jwt'
import type { Client } from '../../trust/trust.ts'
import { createBinding } from './binding.ts'
import type { Bound, Showing } from './binding.ts'
import type { Granted } from '../grants/rights.ts'
import { isRefusal } from '../http/refusal.ts'
import { orders } from '../../../../../test/issuer/fixture.ts'

const url = 'https://issuer.example/token'
const nowMs = 1_800_000_000_000
const key = createDpopKey()
const granted: Granted = {
  kind: 'granted',
  service: 'billing',
  audience: 'https://billing.acme.example',
  scopes: [],
  roles: [],
}
const proofs = createDpopChecker()

test('a bearer token, at once, where nobody asks for more and nothing is shown', () => {
  assert.deepEqual(bind(), { claim: undefined, nextNonce: undefined })
  assert.deepEqual(
    bind({ certificate: 'c' }),
    { claim: undefined, nextNonce: undefined },
    'a certificate binds where that is asked for: not every service could check it',
  )
})

test('a proof binds, whether or not it was asked for', () => {
  for (const client of [orders, { ...orders, bind: 'dpop' as const }]) {
    assert.deepEqual(bind({ client, proof: true }), { claim: { jkt: key.thumbprint }, nextNonce: undefined })
  }
})

test('what the client or the service must have is refused when it is not there', () => {
  const asked: [Client['bind'], Granted['bind'], Shown, string][] = [
    ['dpop', undefined, {}, 'invalid_dpop_proof'],
    ['dpop', undefined, { certificate: 'c' }, 'invalid_dpop_proof'],
    [undefined, 'dpop', { certificate: 'c' }, 'invalid_dpop_proof'],
    ['certificate', undefined, {}, 'invalid_request'],
    ['certificate', undefined, { proof: true }, 'invalid_request'],
    [undefined, 'certificate', { proof: true }, 'invalid_request'],
    [undefined, 'any', {}, 'invalid_request'],
    ['dpop', 'any', {}, 'invalid_dpop_proof'],
    ['dpop', 'certificate', { proof: true }, 'invalid_request'],
    ['dpop', 'certificate', { certificate: 'c' }, 'invalid_dpop_proof'],
  ]
  for (const [client, service, shown, error] of asked) {
    assert.equal(
      refusal(client, service, shown).error,
      error,
      `${client} ${service} ${JSON.stringify(shown)}`,
    )
  }
})

test('what is there is bound to, and to both where both are asked for', () => {
  const jkt = key.thumbprint
  const asked: [Client['bind'], Granted['bind'], Shown, object][] = [
    ['certificate', undefined, { certificate: 'c' }, { 'x5t#S256': 'c' }],
    [undefined, 'certificate', { certificate: 'c' }, { 'x5t#S256': 'c' }],
    [undefined, 'any', { certificate: 'c' }, { 'x5t#S256': 'c' }],
    [undefined, 'any', { proof: true, certificate: 'c' }, { jkt }],
    ['dpop', 'certificate', { proof: true, certificate: 'c' }, { jkt, 'x5t#S256': 'c' }],
  ]
  for (const [client, service, shown, claim] of asked) {
    assert.deepEqual(bind({ ...shown, client: withBind(client), service }), { claim, nextNonce: undefined })
  }
})

test('an exchanged token stays bound to what its parent was bound to', () => {
  const byKey = { boundTo: { keyThumbprint: key.thumbprint, certificateThumbprint: undefined } }
  assert.deepEqual(bind({ ...byKey, proof: true }), { claim: { jkt: key.thumbprint }, nextNonce: undefined })
  assert.equal(refusal(undefined, undefined, byKey).error, 'invalid_dpop_proof')
  const other = { boundTo: { ...byKey.boundTo, keyThumbprint: createDpopKey().thumbprint }, proof: true }
  assert.equal(refusal(undefined, undefined, other).denial?.reason, 'confirmation-mismatch')
  const byCertificate = { boundTo: { keyThumbprint: undefined, certificateThumbprint: 'c' } }
  assert.deepEqual(bind({ ...byCertificate, certificate: 'c' }), {
    claim: { 'x5t#S256': 'c' },
    nextNonce: undefined,
  })
  for (const certificate of [undefined, 'd']) {
    assert.equal(refusal(undefined, undefined, { ...byCertificate, certificate }).error, 'invalid_request')
  }
})

test('a proof counts once, and for this endpoint', () => {
  const showing = { rawHeaders: ['DPoP', proof()], nowMs }
  const asked = createBinding({ proofs, url, certificateOf: () => undefined })
  assert.ok(!isRefusal(asked(orders, granted, showing) as Bound))
  const again = asked(orders, granted, showing)
  assert.ok(!(again instanceof Promise) && isRefusal(again) && again.denial?.reason === 'proof-replayed')
  const elsewhere = { rawHeaders: ['DPoP', proof('https://other.example/token')], nowMs }
  const refused = asked(orders, granted, elsewhere)
  assert.ok(!(refused instanceof Promise) && isRefusal(refused) && refused.denial?.reason === 'proof-invalid')
})

type Shown = {
  readonly proof?: boolean
  readonly certificate?: string | undefined
  readonly boundTo?: NonNullable<Granted['delegation']>['boundTo']
}

function bind(asked: Shown & { client?: Client; service?: Granted['bind'] } = {}): Bound {
  const outcome = ask(asked.client ?? orders, asked.service, asked)
  assert.ok(!isRefusal(outcome), isRefusal(outcome) ? outcome.description : '')
  return outcome
}

function refusal(client: Client['bind'], service: Granted['bind'], shown: Shown) {
  const outcome = ask(withBind(client), service, shown)
  assert.ok(isRefusal(outcome))
  return outcome
}

function ask(client: Client, service: Granted['bind'], { proof: shows, certificate, boundTo }: Shown) {
  const delegation = { subject: 'alice', expiresAtSeconds: 1, claims: { act: { sub: 'orders' } } }
  const showing: Showing = { rawHeaders: shows === true ? ['Host', 'x', 'dPoP', proof()] : [], nowMs }
  const outcome = createBinding({ proofs, url, certificateOf: () => certificate })(
    client,
    {
      ...granted,
      ...(service === undefined ? {} : { bind: service }),
      ...(boundTo === undefined ? {} : { delegation: { ...delegation, boundTo } }),
    },
    showing,
  )
  assert.ok(!(outcome instanceof Promise), 'the memory of this process answers at once')
  return outcome
}

function withBind(bind: Client['bind']): Client {
  return bind === undefined ? orders : { ...orders, bind }
}

function proof(target = url): string {
  return createDpopProof({ key, method: 'POST', url: target, nowMs })
}
