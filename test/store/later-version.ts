/** Test support: a store that goes on while a later version has added columns to its tables. */
import assert from 'node:assert/strict'
import type { Store } from '../../packages/server/src/store/store.ts'
import { keyRecord } from './contract.ts'

/** Writes one of everything and reads it back. */
export async function useEverything(store: Store, round: string): Promise<void> {
  const atMs = 1000
  const entry = { atMs, actor: 'issuer', action: 'x', subject: round, outcome: 'done', detail: '{}' } as const
  const { version } = await store.readRing()
  assert.equal(await store.replaceRing(version, [keyRecord(round)], [entry]), true)
  assert.deepEqual((await store.readRing()).keys, [keyRecord(round)])
  const draft = { id: round, request: `r ${round}`, removed: false, settings: '{}' }
  const made = await store.writeClient(draft, 0, [entry])
  assert.deepEqual(made, { ...draft, revision: 1, version: made?.version })
  assert.deepEqual(await store.writeClient(draft, 1, []), await store.findClient({ id: round }))
  assert.equal((await store.readClientChanges(0, 100)).at(-1)?.id, round)
  assert.ok((await store.listClients('', 100)).some(({ id }) => id === round))
  assert.equal((await store.readAudit(0, 100)).at(-1)?.hash, (await store.readAuditHead()).hash)
  const revocation = {
    kind: 'token',
    id: round,
    issuedBeforeSeconds: undefined,
    revokedAtMs: atMs,
    expiresAtMs: 9000,
    by: 'orders',
  } as const
  assert.ok(await store.writeRevocation(revocation, { nowMs: atMs, most: 9, mostOfOne: 9 }, [entry]))
  assert.deepEqual(
    (await store.readRevocations(atMs))?.revocations.find(({ id }) => id === round),
    revocation,
  )
  assert.equal(await store.putOnce('orders', round, 2000, 1000), true)
  assert.equal(await store.putOnce('orders', round, 2000, 1000), false)
  await store.sweep(1000)
}
