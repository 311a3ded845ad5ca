import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createProviderStore } from './provider-store.ts'

let nowMs = 1_800_000_000_000
const adapterFor = createProviderStore(() => nowMs)

test('what is kept is found by its id, and by its uid and user code', async () => {
  const sessions = adapterFor('Session')
  await sessions.upsert('a', { uid: 'u1', userCode: 'c1' }, 60)
  assert.deepEqual(await sessions.find('a'), { uid: 'u1', userCode: 'c1' })
  assert.deepEqual(await sessions.findByUid('u1'), { uid: 'u1', userCode: 'c1' })
  assert.deepEqual(await sessions.findByUserCode('c1'), { uid: 'u1', userCode: 'c1' })
  assert.equal(await sessions.findByUid('u2'), undefined)
})

test('kinds are kept apart', async () => {
  await adapterFor('Grant').upsert('same', { accountId: 'alice' }, 60)
  assert.equal(await adapterFor('Session').find('same'), undefined)
})

test('what has expired is gone', async () => {
  const codes = adapterFor('AuthorizationCode')
  await codes.upsert('b', { uid: 'late' }, 60)
  nowMs += 59_999
  assert.ok(await codes.find('b'))
  nowMs += 1
  assert.equal(await codes.findByUid('late'), undefined)
  assert.equal(await codes.find('b'), undefined)
})

test('a code is marked when it is used, and everything of a grant goes with the grant', async () => {
  const codes = adapterFor('AuthorizationCode')
  await codes.upsert('c', { grantId: 'g' }, 60)
  await codes.consume('c')
  assert.deepEqual(await codes.find('c'), { grantId: 'g', consumed: Math.floor(nowMs / 1000) })
  await codes.revokeByGrantId('g')
  assert.equal(await codes.find('c'), undefined)
  await codes.upsert('d', {}, 60)
  await codes.destroy('d')
  assert.equal(await codes.find('d'), undefined)
})

test('it never grows without end: the expired go first, then the oldest', async () => {
  const store = createProviderStore(() => nowMs)('Session')
  await store.upsert('expired', {}, 1)
  await store.upsert('oldest', {}, 1000)
  for (let n = 0; n < 9_998; n++) await store.upsert(`s${n}`, {}, 1000)
  nowMs += 2000
  await store.upsert('more', {}, 1000)
  assert.ok(await store.find('oldest'))
  await store.upsert('one too many', {}, 1000)
  assert.equal(await store.find('oldest'), undefined)
  assert.ok(await store.find('s0'))
  assert.ok(await store.find('one too many'))
})
