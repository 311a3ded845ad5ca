import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { isProblem } from '@countersign/sdk/core'
import { silentLog } from '../../log.ts'
import { createMemoryStore } from '../../store/memory.ts'
import type { RevocationRecord } from '../../store/store.ts'
import { openIssuerKeys } from '../keys/issuer-keys.ts'
import { createRevocationList } from './revocation-list.ts'
import { createRevoke } from './revoke.ts'
import type { Revocable } from './revoke.ts'
import { settings } from '../../../../../test/issuer/fixture.ts'

const issuer = 'https://issuer.example'
const nowMs = 1_800_000_000_500
const clock = (): number => nowMs
const keyStore = createMemoryStore()
const keyRing = await openIssuerKeys({ settings: settings(issuer), store: keyStore, clock, log: silentLog })
after(() => keyRing.close())

function stage(store = createMemoryStore()) {
  const list = createRevocationList({ issuer, store, clock, log: silentLog })
  const logged: object[] = []
  const log = { ...silentLog, info: (event: string, fields = {}) => void logged.push({ event, ...fields }) }
  return { store, logged, revoke: createRevoke({ list, keyRing, log }) }
}

async function written(what: Revocable, by?: string): Promise<readonly RevocationRecord[]> {
  const { store, revoke } = stage()
  await revoke(what, { nowMs, ...(by === undefined ? {} : { by }) })
  return (await store.readRevocations(nowMs))?.revocations ?? []
}

test('a token is revoked until the last verifier has given it up', async () => {
  const exp = 1_800_000_300
  assert.deepEqual(await written({ tokenId: 't1', expiresAtSeconds: exp }, 'orders'), [
    {
      kind: 'token',
      id: 't1',
      issuedBeforeSeconds: undefined,
      revokedAtMs: nowMs,
      expiresAtMs: (exp + 300) * 1000,
      by: 'orders',
    },
  ])
  const [unknown] = await written({ tokenId: 't1' })
  assert.equal(unknown?.expiresAtMs, nowMs + (86_400 + 300) * 1000)
})

test('a subject is revoked up to and with this second', async () => {
  const [record, ...more] = await written({ subject: 'alice' })
  assert.deepEqual(
    [record?.kind, record?.id, record?.issuedBeforeSeconds],
    ['subject', 'alice', 1_800_000_001],
  )
  assert.equal(more.length, 0)
})

test('a client is revoked as whom it acts for and as itself', async () => {
  const records = await written({ clientId: 'orders' })
  assert.deepEqual(
    records.map(({ kind, id, issuedBeforeSeconds }) => [kind, id, issuedBeforeSeconds]),
    [
      ['client', 'orders', 1_800_000_001],
      ['subject', 'orders', 1_800_000_001],
    ],
  )
})

test('a revoked key signs nothing any more and is published no more', async () => {
  const before = keyRing.signerAt(nowMs).keyId
  const [record] = await written({ keyId: before })
  assert.deepEqual([record?.kind, record?.id], ['key', before])
  assert.notEqual(keyRing.signerAt(nowMs).keyId, before)
  assert.ok(!keyRing.publishedAt(nowMs).some(({ kid }) => kid === before))
})

test('a key that is not there is a mistake, and nothing is written', async () => {
  const { store, revoke } = stage()
  await assert.rejects(revoke({ keyId: 'nobody' }, { nowMs }), { code: 'ring-key-unknown' })
  assert.deepEqual((await store.readRevocations(nowMs))?.revocations, [])
})

test('no client can fill the list, nor all of them for the operator', async () => {
  const { store, revoke } = stage()
  const bounds = { nowMs, most: 1e6, mostOfOne: 1e6 }
  const fill = async (by: string, count: number): Promise<void> => {
    for (let index = 0; index < count; index++) {
      await store.writeRevocation(
        {
          kind: 'token',
          id: `${by}-${index}`,
          issuedBeforeSeconds: undefined,
          revokedAtMs: 0,
          expiresAtMs: nowMs,
          by,
        },
        bounds,
      )
    }
  }
  await fill('greedy', 1000)
  await assert.rejects(revoke({ tokenId: 'x' }, { nowMs, by: 'greedy' }), (error) => {
    assert.ok(isProblem(error) && error.code === 'revocations-full' && error.retryAfterSeconds === 60)
    return true
  })
  await revoke({ tokenId: 'x' }, { nowMs, by: 'orders' })
})

test('what is revoked needs a name that everybody can read', async () => {
  const { revoke } = stage()
  for (const id of ['', 'x'.repeat(257), 'ü'.repeat(129), 'a\nb', 'a\u0000', '\ud800', 7, undefined]) {
    for (const what of [{ tokenId: id }, { subject: id }, { clientId: id }, { keyId: id }]) {
      await assert.rejects(revoke(what as Revocable, { nowMs }), { code: 'option-invalid' })
    }
  }
  await revoke({ subject: 'ü'.repeat(128) }, { nowMs })
})

test('the log and the audit log tell of it', async () => {
  const { store, logged, revoke } = stage()
  const entry = { atMs: nowMs, actor: 'operator', action: 'revocation.added', subject: 'orders' } as const
  await revoke({ clientId: 'orders' }, { nowMs, audit: [{ ...entry, outcome: 'done', detail: '{}' }] })
  assert.equal((await store.readAuditHead()).sequence, 1)
  await revoke({ tokenId: 't1' }, { nowMs, by: 'orders' })
  assert.deepEqual(logged, [
    { event: 'revoked', client: undefined, clientId: 'orders' },
    { event: 'revoked', client: 'orders', tokenId: 't1' },
  ])
})
