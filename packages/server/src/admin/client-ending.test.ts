import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Secret } from '@countersign/sdk/core'
import {
  createRemoteKeySet,
  createRevocationFeed,
  createRevocations,
  createVerifier,
} from '@countersign/sdk/jwt'
import { ops, startAdmin } from '../../../../test/issuer/admin.ts'
import type { AdminStand } from '../../../../test/issuer/admin.ts'
import { basic, orders, settings, startIssuer, trust as trustOf } from '../../../../test/issuer/fixture.ts'
import { createMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import type { Client } from '../trust/trust.ts'

const askerSecret = 'asker-secret-of-some-length-000001'
/** Asks about the tokens that billing is called with. */
const asker: Client = {
  id: 'asker',
  secrets: [Secret.fromText(askerSecret)],
  may: [],
  introspects: ['billing'],
}
const may = { billing: { roles: ['reader'] } }
const anyRevision = { 'If-Match': '*' }

test('a disabled client’s tokens are dead: at introspection, in the feed, at whoever follows it', async (t) => {
  const stand = await start(t)
  const client = await make(stand)
  const other = await make(stand)
  const [token, others] = [await tokenOf(stand, client), await tokenOf(stand, other)]
  const verify = follower(stand)
  assert.equal(await verify(token), 'verified')
  assert.equal(await isActive(stand, token), true)

  const disabled = await stand.ask('POST', `/clients/${client.id}/disable`, { headers: anyRevision })
  assert.deepEqual([disabled.status, disabled.json['disabled']], [200, true])
  assert.equal(await isActive(stand, token), false)
  assert.equal((await askToken(stand, client)).json['error'], 'invalid_client')
  const listed = await stand.ask('GET', '/revocations')
  assert.deepEqual(
    (listed.json['revocations'] as { kind: string; id: string }[]).map(({ kind, id }) => `${kind} ${id}`),
    [`client ${client.id}`, `subject ${client.id}`],
  )
  stand.fixture.clock.nowMs += 31_000
  assert.equal(await verify(token), 'token-revoked')
  // Nobody else's are touched.
  assert.equal(await verify(others), 'verified')
  assert.equal(await isActive(stand, others), true)
})

test('an enabled client begins anew: what it had before stays dead', async (t) => {
  const stand = await start(t)
  const client = await make(stand)
  const token = await tokenOf(stand, client)
  const verify = follower(stand)
  await stand.ask('POST', `/clients/${client.id}/disable`, { headers: anyRevision })
  stand.fixture.clock.nowMs += 11_000
  const enabled = await stand.ask('POST', `/clients/${client.id}/enable`, { headers: anyRevision })
  assert.deepEqual([enabled.status, enabled.json['disabled']], [200, false])
  const next = await tokenOf(stand, client)
  assert.deepEqual([await isActive(stand, token), await isActive(stand, next)], [false, true])
  assert.deepEqual([await verify(token), await verify(next)], ['token-revoked', 'verified'])
})

test('a token that comes right after enabling is not taken for one of before: enabling waits so long', async (t) => {
  const stand = await start(t)
  const client = await make(stand)
  stand.fixture.clock.nowMs = Math.ceil(stand.fixture.clock.nowMs / 1000) * 1000
  await stand.ask('POST', `/clients/${client.id}/disable`, { headers: anyRevision })
  stand.fixture.clock.nowMs += 4_600
  const begunMs = performance.now()
  await stand.ask('POST', `/clients/${client.id}/enable`, { headers: anyRevision })
  const waitedMs = performance.now() - begunMs
  assert.ok(waitedMs > 390, `${waitedMs}`)
  stand.fixture.clock.nowMs += 400
  assert.equal(await isActive(stand, await tokenOf(stand, client)), true)
})

test('what a replica gives that has not heard of it yet is dead as well', async (t) => {
  const stand = await start(t)
  const client = await make(stand)
  const gone = await make(stand)
  const late = await cutOffReplica(t, stand)
  await stand.ask('POST', `/clients/${client.id}/disable`, { headers: anyRevision })
  await stand.ask('DELETE', `/clients/${gone.id}`, { headers: anyRevision })
  const after = async (seconds: number, of: Made): Promise<string> => {
    late.clock.nowMs = stand.fixture.clock.nowMs + seconds * 1000
    const { json } = await late.ask('grant_type=client_credentials', basic(of.id, of.secret))
    return json['access_token'] as string
  }
  const soon = await after(4, client)
  const longAfter = await after(200, client)
  const removed = await after(250, gone)
  stand.fixture.clock.nowMs += 251_000
  assert.equal(await isActive(stand, soon), false)
  assert.equal(await isActive(stand, removed), false, 'a removed client never comes back')
  // For as long as nobody knows better; but enabling brings none of it to life.
  assert.equal(await isActive(stand, longAfter), true)
  await stand.ask('POST', `/clients/${client.id}/enable`, { headers: anyRevision })
  assert.equal(await isActive(stand, longAfter), false)
})

test('a client that is put as disabled, or removed, loses its tokens too; another change leaves them', async (t) => {
  const stand = await start(t)
  const client = await make(stand)
  const put = (body: object) =>
    stand.ask('PUT', `/clients/${client.id}`, { body: { may, ...body }, headers: anyRevision })
  const first = await tokenOf(stand, client)
  await put({ name: 'renamed' })
  assert.equal(await isActive(stand, first), true)
  await put({ disabled: true })
  assert.equal(await isActive(stand, first), false)
  stand.fixture.clock.nowMs += 6_000
  await put({ disabled: false })
  const second = await tokenOf(stand, client)
  assert.deepEqual([await isActive(stand, first), await isActive(stand, second)], [false, true])
  const removed = await stand.ask('DELETE', `/clients/${client.id}`, { headers: anyRevision })
  assert.equal(removed.status, 204)
  assert.equal(await isActive(stand, second), false)
})

test('a client is disabled whatever the trust file says by now', async (t) => {
  const stand = await start(t)
  const client = await make(stand)
  const token = await tokenOf(stand, client)
  const services = new Map(stand.trust.services)
  stand.replace({ ...stand.trust, services: new Map([['stock', services.get('stock')!]]) })
  const body = { may, disabled: true }
  const put = await stand.ask('PUT', `/clients/${client.id}`, { body, headers: anyRevision })
  assert.equal(put.json['code'], 'body-invalid')
  const disabled = await stand.ask('POST', `/clients/${client.id}/disable`, { headers: anyRevision })
  assert.equal(disabled.status, 200)
  stand.replace(stand.trust)
  assert.equal(await isActive(stand, token), false)
})

test('what cannot be revoked is not acknowledged, and nothing is changed', async (t) => {
  const store = { ...createMemoryStore(), writeClientAndRevoke: async () => 'full' as const }
  const stand = await start(t, store)
  const client = await make(stand)
  for (const [method, path] of [
    ['POST', `/clients/${client.id}/disable`],
    ['DELETE', `/clients/${client.id}`],
  ] as const) {
    const answer = await stand.ask(method, path, { headers: anyRevision })
    assert.deepEqual([answer.status, answer.json['code']], [503, 'revocations-full'])
  }
  assert.equal(await isActive(stand, await tokenOf(stand, client)), true)
})

test('the audit log has it, with what became of the tokens', async (t) => {
  const stand = await start(t)
  const client = await make(stand)
  for (const verb of ['disable', 'enable'])
    await stand.ask('POST', `/clients/${client.id}/${verb}`, { headers: anyRevision })
  await stand.ask('DELETE', `/clients/${client.id}`, { headers: anyRevision })
  const records = (await stand.audit()).filter(({ subject }) => subject === client.id).slice(1)
  assert.deepEqual(
    records.map(({ action, detail }) => [action, (JSON.parse(detail) as { tokens?: string }).tokens]),
    [
      ['client.disabled', 'revoked'],
      ['client.enabled', 'revoked'],
      ['client.removed', 'revoked'],
    ],
  )
})

type Made = { readonly id: string; readonly secret: string }

async function start(t: TestContext, store?: Store): Promise<AdminStand> {
  const stand = await startAdmin({ clients: [orders, ops, asker], ...(store === undefined ? {} : { store }) })
  t.after(stand.close)
  return stand
}

async function make(stand: AdminStand): Promise<Made> {
  const { json } = await stand.ask('POST', '/clients', { body: { may } })
  return { id: json['id'] as string, secret: (json['secret'] as { secret: string }).secret }
}

async function askToken({ fixture }: AdminStand, { id, secret }: Made) {
  return fixture.ask('grant_type=client_credentials', basic(id, secret))
}

async function tokenOf(stand: AdminStand, client: Made): Promise<string> {
  const answer = await askToken(stand, client)
  assert.equal(answer.status, 200, answer.body)
  return answer.json['access_token'] as string
}

async function isActive({ fixture }: AdminStand, token: string): Promise<unknown> {
  const { json } = await fixture.send('POST', '/introspect', {
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...basic('asker', askerSecret) },
    body: `token=${token}`,
  })
  return json['active']
}

/** A service elsewhere, which knows the issuer by its public documents alone. */
function follower({ fixture: { url: issuer, clock } }: AdminStand): (token: string) => Promise<string> {
  const now = (): number => clock.nowMs
  const keySet = createRemoteKeySet({ issuer, clock: now })
  const revocations = createRevocations({ sources: [createRevocationFeed({ issuer, keySet })] })
  const audience = 'https://billing.acme.example'
  const verifier = createVerifier({ issuer, audience, keySet, revocations, clock: now })
  return async (token) => {
    const outcome = await verifier.verify(token)
    return outcome.kind === 'verified' ? 'verified' : outcome.denial.reason
  }
}

/** Another replica of the same issuer, which reads the clients once and then never again. */
async function cutOffReplica(t: TestContext, { fixture, store }: AdminStand) {
  let reads = 0
  const replica = await startIssuer({
    settings: settings(fixture.url),
    trust: trustOf([orders, ops, asker]),
    store: {
      ...store,
      readClientChanges: (...given) =>
        reads++ === 0 ? store.readClientChanges(...given) : Promise.reject(new Error('cut off')),
    },
  })
  t.after(replica.close)
  return replica
}
