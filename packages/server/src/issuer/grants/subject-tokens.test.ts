import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createKeySet,
  createRevocations,
  generateSigningKey,
  readSecretSigningKey,
  verificationKey,
} from '@countersign/sdk/jwt'
import { silentLog } from '../../log.ts'
import { createRemoteKeys } from '../clients/remote-keys.ts'
import { createShownTokens } from './subject-tokens.ts'
import { caller, chainTrust, login, loginSecret, sign } from '../../../../../test/issuer/exchange.ts'

const issuer = 'https://issuer.example'
const key = generateSigningKey('ES256')
const revocations = createRevocations()
const own = { issuer, keySet: createKeySet([verificationKey(key)]), revocations }
const nowMs = 1_800_000_000_000
const exp = nowMs / 1000 + 60
const clock = (): number => nowMs
const context = { own, clock, remoteKeys: createRemoteKeys({ clock, log: silentLog }) }
const trust = chainTrust()
const loginKey = readSecretSigningKey(loginSecret, { algorithm: 'HS256' })

test('a client that stands for no service may show nothing', () => {
  assert.equal(createShownTokens(caller('c', []), trust, context), undefined)
  assert.equal(createShownTokens({ ...caller('c', []), mayExchange: ['gone'] }, trust, context), undefined)
})

test('what the service accepts may be shown: ours for it, and a trusted issuer’s', async () => {
  const shown = createShownTokens({ ...caller('c', []), mayExchange: ['billing'] }, trust, context)!
  const ours = await shown.subject(mine({ aud: 'https://billing.acme.example' }), nowMs)
  assert.ok('kind' in ours && ours.own)
  assert.deepEqual([ours.principal.subject, [...ours.principal.roles]], ['front', ['reader']])
  const claims = { iss: login, aud: 'acme-web', sub: 'alice', exp, realm: { roles: ['boss'] } }
  const theirs = await shown.subject(sign(loginKey, claims, 'JWT'), nowMs)
  assert.ok('kind' in theirs && !theirs.own)
  assert.deepEqual([...theirs.principal.roles], ['boss'])
  const others = await shown.subject(mine({ aud: 'https://stock.acme.example' }), nowMs)
  assert.ok('reason' in others && others.reason === 'audience-mismatch')
})

test('a service that takes no tokens of ours lets none be exchanged', async () => {
  const services = new Map(trust.services)
  services.set('billing', { ...services.get('billing')!, acceptsOwn: false })
  const client = { ...caller('c', []), mayExchange: ['billing'] }
  const shown = createShownTokens(client, { ...trust, services }, context)!
  const ours = await shown.subject(mine({ aud: 'https://billing.acme.example' }), nowMs)
  assert.ok('reason' in ours && ours.reason === 'issuer-mismatch')
})

test('an actor’s token may be for any service, but is of our own making', async () => {
  const shown = createShownTokens({ ...caller('c', []), mayExchange: ['billing'] }, trust, context)!
  assert.ok('kind' in (await shown.actor(mine({ aud: 'https://ledger.acme.example' }), nowMs)))
  const theirs = await shown.actor(
    sign(loginKey, { iss: login, aud: 'acme-web', sub: 'a', exp }, 'JWT'),
    nowMs,
  )
  assert.ok('reason' in theirs && theirs.reason === 'issuer-mismatch')
})

test('a token within the tolerance of its end, and one without a subject', async () => {
  const shown = createShownTokens({ ...caller('c', []), mayExchange: ['billing'] }, trust, context)!
  const aud = 'https://billing.acme.example'
  const dying = await shown.subject(mine({ aud, exp: nowMs / 1000 - 2 }), nowMs)
  assert.ok('reason' in dying && dying.reason === 'token-expired')
  const nobody = await shown.subject(mine({ aud, sub: '' }), nowMs)
  assert.ok('reason' in nobody && nobody.reason === 'claim-missing')
})

test('what is revoked may not be shown, nor what descends from it', async () => {
  const shown = createShownTokens({ ...caller('c', []), mayExchange: ['billing'] }, trust, context)!
  const aud = 'https://billing.acme.example'
  const child = mine({ aud, jti: 'child', lineage: [{ iss: issuer, jti: 'parent' }] })
  assert.ok('kind' in (await shown.subject(child, nowMs)))
  revocations.revoke({ issuer, tokenId: 'parent', untilSeconds: exp }, nowMs)
  for (const token of [child, mine({ aud, jti: 'parent' })]) {
    for (const read of [shown.subject, shown.actor]) {
      const answer = await read(token, nowMs)
      assert.equal('reason' in answer && answer.reason, 'token-revoked')
    }
  }
})

function mine(changes: Record<string, unknown>): string {
  return sign(key, { iss: issuer, sub: 'front', exp, roles: ['reader'], ...changes })
}
