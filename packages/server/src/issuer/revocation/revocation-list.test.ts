import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '@countersign/sdk/core'
import {
  createKeySet,
  createSigner,
  createVerifier,
  generateSigningKey,
  verificationKey,
} from '@countersign/sdk/jwt'
import { silentLog } from '../../log.ts'
import { createMemoryStore } from '../../store/memory.ts'
import type { Store } from '../../store/store.ts'
import { createRevocationList } from './revocation-list.ts'
import type { RevocationList } from './revocation-list.ts'
import { revocationRecord } from '../../../../../test/store/revocation-contract.ts'

const issuer = 'https://issuer.example'
const key = generateSigningKey('ES256')
const bounds = { nowMs: 0, most: 9, mostOfOne: 9 }

/** One store, any number of replicas, and a clock they all have. */
class Stage {
  nowMs = 1_800_000_000_000
  down = false
  reads = 0
  readonly #store = createMemoryStore()
  readonly store: Pick<Store, 'readRevocations' | 'writeRevocation'> = {
    readRevocations: async (...parameters) => {
      this.reads++
      if (this.down) throw new Problem('store-unavailable', 'the store is down')
      return this.#store.readRevocations(...parameters)
    },
    writeRevocation: (...parameters) => this.#store.writeRevocation(...parameters),
  }

  replica(): RevocationList {
    return createRevocationList({ issuer, store: this.store, clock: () => this.nowMs, log: silentLog })
  }

  async refuses(list: RevocationList, claims: object, follow?: { stale?: number }): Promise<boolean> {
    const exp = Math.floor(this.nowMs / 1000) + 3600
    const iat = exp - 3700
    const token = createSigner({ key }).sign({ iss: issuer, aud: 'a', exp, iat, ...claims })
    const revocations = follow === undefined ? list.revocations : list.followedFor(follow.stale)
    const keySet = createKeySet([verificationKey(key)])
    const verifier = createVerifier({ issuer, audience: 'a', keySet, revocations, clock: () => this.nowMs })
    return (await verifier.verify(token)).kind === 'denied'
  }
}

test('what one replica revokes it refuses at once, and another a second later', async () => {
  const stage = new Stage()
  const [one, two] = [stage.replica(), stage.replica()]
  assert.equal(await stage.refuses(one, { jti: 't1' }, {}), false)
  assert.equal(await stage.refuses(two, { jti: 't1' }), false)
  assert.equal(await one.add(revocationRecord('token', 't1'), bounds, []), true)
  assert.equal(await stage.refuses(one, { jti: 't1' }), true)
  assert.equal(await stage.refuses(one, { jti: 't1' }, {}), true)
  assert.equal((await one.current()).revocations.length, 1)
  assert.equal(await stage.refuses(two, { jti: 't1' }), false)
  stage.nowMs += 1000
  assert.equal((await two.current()).revocations.length, 1)
  assert.equal(await stage.refuses(two, { jti: 't1' }), true)
})

test('each kind refuses what it names', async () => {
  const stage = new Stage()
  const list = stage.replica()
  const soon = { issuedBeforeSeconds: stage.nowMs / 1000 + 1 }
  await list.add(revocationRecord('subject', 'alice', soon), bounds, [])
  await list.add(revocationRecord('client', 'orders', soon), bounds, [])
  assert.equal(await stage.refuses(list, { sub: 'alice' }), true)
  assert.equal(await stage.refuses(list, { client_id: 'orders' }), true)
  assert.equal(await stage.refuses(list, { sub: 'orders', client_id: 'alice' }), false)
  await list.add(revocationRecord('key', key.keyId), bounds, [])
  assert.equal(await stage.refuses(list, {}), true)
})

test('the store is asked once a second at most, by however many', async () => {
  const stage = new Stage()
  const list = stage.replica()
  for (let index = 0; index < 5; index++) await list.current()
  assert.equal(stage.reads, 1)
  stage.nowMs += 1000
  await Promise.all([list.current(), list.current(), stage.refuses(list, {})])
  assert.equal(stage.reads, 2)
})

test('without the store the issuer goes by what it knows for 30 seconds; a follower as long as it says', async () => {
  const stage = new Stage()
  const list = stage.replica()
  await list.add(revocationRecord('token', 't1'), bounds, [])
  assert.equal(await stage.refuses(list, { jti: 't2' }), false)
  assert.equal(await stage.refuses(list, { jti: 't2' }, {}), false)
  assert.equal(await stage.refuses(list, { jti: 't2' }, { stale: 60 }), false)
  stage.down = true
  stage.nowMs += 29_000
  assert.equal(await stage.refuses(list, { jti: 't1' }), true)
  stage.nowMs += 1000
  const unavailable = { code: 'revocations-unavailable' }
  await assert.rejects(stage.refuses(list, { jti: 't2' }), unavailable)
  await assert.rejects(list.current(), unavailable)
  assert.equal(await stage.refuses(list, { jti: 't2' }, { stale: 60 }), false)
  stage.nowMs += 30_000
  await assert.rejects(stage.refuses(list, { jti: 't2' }, { stale: 60 }), unavailable)
  stage.nowMs += 86_400_000
  assert.equal(await stage.refuses(list, { jti: 't2' }, {}), false)
  assert.equal(await stage.refuses(list, { jti: 't1' }, {}), true)
})

test('a list that is full says so, and takes nothing', async () => {
  const stage = new Stage()
  const list = stage.replica()
  assert.equal(await list.add(revocationRecord('token', 't1'), { ...bounds, most: 0 }, []), false)
  assert.equal(await stage.refuses(list, { jti: 't1' }), false)
})

test('what is written but cannot be read back at once is refused all the same', async () => {
  const stage = new Stage()
  const list = stage.replica()
  await list.current()
  stage.down = true
  assert.equal(await list.add(revocationRecord('token', 't1'), bounds, []), true)
  assert.equal(await stage.refuses(list, { jti: 't1' }), true)
})

test('what was written together with something else is learned at once, also while the store is down', async () => {
  const stage = new Stage()
  const list = stage.replica()
  await list.current()
  // Somebody follows it already, such as a gateway in this process.
  assert.equal(await stage.refuses(list, { client_id: 'shop' }, {}), false)
  stage.down = true
  const records = [revocationRecord('client', 'shop', { issuedBeforeSeconds: stage.nowMs / 1000 })]
  await list.learn(records, stage.nowMs)
  assert.equal(await stage.refuses(list, { client_id: 'shop' }), true)
  assert.equal(await stage.refuses(list, { client_id: 'shop' }, {}), true)
  assert.equal(await stage.refuses(list, { client_id: 'other' }, {}), false)
})
