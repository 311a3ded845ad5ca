import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { generateSigningKey, privateJwk } from '@countersign/sdk/jwt'
import { startAdmin } from '../../../../test/issuer/admin.ts'
import type { AdminStand } from '../../../../test/issuer/admin.ts'
import { createMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'

type Key = { id: string; state: string; retiredBecause?: string }

test('keys are listed, and a new one is announced', async (t) => {
  const stand = await start(t)
  assert.deepEqual(states(await stand.ask('GET', '/keys')), ['active'])
  const rotated = await stand.ask('POST', '/keys/rotate')
  assert.deepEqual(states(rotated), ['active', 'announced'])
  assert.deepEqual(states(await stand.ask('POST', '/keys/rotate')), ['active', 'announced'])
})

test('a key that may be in wrong hands is out at once, with its tokens', async (t) => {
  const stand = await start(t)
  const [key] = (await stand.ask('GET', '/keys')).json['keys'] as Key[]
  const token = await stand.token()
  const removed = await stand.ask('DELETE', `/keys/${key!.id}`)
  assert.equal(removed.status, 200, removed.text)
  assert.deepEqual(states(removed), ['retired', 'active'])
  assert.equal((await stand.ask('GET', '/keys', { token })).status, 401)
  const fresh = await stand.token()
  assert.equal((await stand.ask('GET', '/keys', { token: fresh })).status, 200)
  const unknown = await stand.ask('DELETE', '/keys/nobody', { token: fresh })
  assert.deepEqual([unknown.status, unknown.json['code']], [404, 'ring-key-unknown'])
  const told = (await stand.audit()).filter(({ subject }) => subject === key!.id)
  assert.deepEqual(
    told.map(({ actor, action }) => `${actor} ${action}`),
    ['issuer key.announced', 'client ops revocation.added', 'client ops key.removed'],
  )
})

test('it is out although clients have revoked as many tokens as they may', async (t) => {
  const memory = createMemoryStore()
  const store: Store = {
    ...memory,
    // As if there were 9,990 in it: what is left of the list is kept free for operators.
    writeRevocation: (record, bounds, audit) =>
      memory.writeRevocation(record, { ...bounds, most: bounds.most - 9_990 }, audit),
  }
  const stand = await start(t, { store })
  const [key] = (await stand.ask('GET', '/keys')).json['keys'] as Key[]
  const removed = await stand.ask('DELETE', `/keys/${key!.id}`)
  assert.equal(removed.status, 200, removed.text)
  assert.deepEqual(states(removed), ['retired', 'active'])
})

test('a key that was made elsewhere is imported, as JWK or PEM', async (t) => {
  const jwk = JSON.parse(privateJwk(generateSigningKey('ES256')).revealText()) as object
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  for (const body of [{ jwk }, { pem, algorithm: 'ES256', id: 'from-elsewhere' }]) {
    const stand = await start(t)
    const answer = await stand.ask('POST', '/keys', { body })
    assert.equal(answer.status, 201, answer.text)
    assert.deepEqual(states(answer), ['active', 'announced'])
    const again = await stand.ask('POST', '/keys', { body })
    assert.deepEqual([again.status, again.json['code']], [409, 'ring-key-refused'])
    assert.ok(!JSON.stringify([await stand.audit(), stand.fixture.logged]).includes('PRIVATE KEY'))
  }
})

test('a key is imported by nobody who could get more by it than they have', async (t) => {
  const stand = await start(t)
  const jwk = JSON.parse(privateJwk(generateSigningKey('ES256')).revealText()) as object
  const token = await stand.token({ scope: 'keys:read keys:write clients:write' })
  const answer = await stand.ask('POST', '/keys', { body: { jwk }, token })
  assert.deepEqual([answer.status, answer.json['code']], [403, 'above-caller'])
  assert.deepEqual(states(await stand.ask('GET', '/keys')), ['active'])
})

test('what is no key for the ring is refused without a word of it', async (t) => {
  const stand = await start(t)
  const jwk = JSON.parse(privateJwk(generateSigningKey('EdDSA')).revealText()) as { d: string }
  for (const body of [
    {},
    { jwk, pem: 'x' },
    { jwk: { kty: 'oct', k: 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA', alg: 'HS256' } },
    { pem: 'not a pem at all', algorithm: 'ES256' },
    { pem: 'x' },
    { pem: 'x', algorithm: 'none' },
    { jwk, id: 'a b' },
    { jwk, more: 1 },
  ]) {
    const answer = await stand.ask('POST', '/keys', { body })
    assert.equal(answer.status, 400, JSON.stringify(body))
    for (const hidden of [jwk.d, 'c2VjcmV0', 'not a pem']) assert.ok(!answer.text.includes(hidden))
  }
  assert.equal((await stand.ask('POST', '/keys', { body: { jwk } })).json['code'], 'ring-key-refused')
})

function states({ json }: { json: Record<string, unknown> }): string[] {
  return (json['keys'] as Key[]).map(({ state }) => state)
}

async function start(t: TestContext, options: { store?: Store } = {}): Promise<AdminStand> {
  const stand = await startAdmin(options)
  t.after(stand.close)
  return stand
}
