/** Test support: what every store must do with revocations; part of the contract that each driver's test runs. */
import assert from 'node:assert/strict'
import type { AuditEntry, RevocationRecord, Store } from '../../packages/server/src/store/store.ts'

export function revocationContract(
  contract: (title: string, body: (store: Store) => Promise<void>) => void,
): void {
  contract('a new list of revocations is empty', async (store) => {
    assert.deepEqual((await store.readRevocations(1000))?.revocations, [])
  })

  contract('keeps every field of every revocation, in one order everywhere', async (store) => {
    const records = [
      revocationRecord('client', 'orders', { issuedBeforeSeconds: 7 }),
      revocationRecord('key', 'k1'),
      revocationRecord('subject', 'B', { issuedBeforeSeconds: 9, by: 'orders' }),
      revocationRecord('subject', 'a', { issuedBeforeSeconds: 0 }),
      revocationRecord('token', `'; DROP TABLE revocation; -- ü\u{1f511}`),
    ]
    for (const record of records.toReversed()) assert.equal(await store.writeRevocation(record, bounds), true)
    assert.deepEqual((await store.readRevocations(1000))?.revocations, records)
  })

  contract('every change raises the version, above the time and above itself', async (store) => {
    const before = await versionOf(store)
    await store.writeRevocation(revocationRecord('token', 'a'), bounds)
    const first = await versionOf(store)
    assert.ok(first > before && first >= bounds.nowMs)
    await store.writeRevocation(revocationRecord('token', 'b'), { ...bounds, nowMs: 0 })
    const second = await versionOf(store)
    assert.ok(second > first)
    const future = 8_000_000_000_000
    await store.writeRevocation(revocationRecord('token', 'c', { expiresAtMs: future }), {
      ...bounds,
      nowMs: future,
    })
    assert.equal(await versionOf(store), future)
  })

  contract('who knows the version is told so and nothing else', async (store) => {
    await store.writeRevocation(revocationRecord('token', 'a'), bounds)
    const version = await versionOf(store)
    assert.equal(await store.readRevocations(1000, version), undefined)
    assert.equal((await store.readRevocations(1000, version - 1))?.revocations.length, 1)
  })

  contract(
    'what is revoked twice is revoked by both, and changes nothing when it says nothing new',
    async (store) => {
      const first = revocationRecord('subject', 'a', { issuedBeforeSeconds: 10, expiresAtMs: 5000 })
      await store.writeRevocation(first, bounds)
      const version = await versionOf(store)
      await store.writeRevocation({ ...first, issuedBeforeSeconds: 9, revokedAtMs: 2 }, bounds)
      assert.equal(await versionOf(store), version)
      await store.writeRevocation(
        { ...first, issuedBeforeSeconds: 20, expiresAtMs: 4000, by: 'orders' },
        bounds,
      )
      assert.deepEqual((await store.readRevocations(1000))?.revocations, [
        { ...first, issuedBeforeSeconds: 20, by: 'orders' },
      ])
    },
  )

  contract('a revocation counts to its last millisecond and is swept after it', async (store) => {
    await store.writeRevocation(revocationRecord('token', 'old', { expiresAtMs: 2000 }), bounds)
    await store.writeRevocation(revocationRecord('token', 'young', { expiresAtMs: 3000 }), bounds)
    assert.equal((await store.readRevocations(2000))?.revocations.length, 2)
    assert.equal((await store.readRevocations(2001))?.revocations.length, 1)
    assert.deepEqual(await store.sweep(2000), { dropped: 0 })
    assert.deepEqual(await store.sweep(2001), { dropped: 1 })
    assert.deepEqual((await store.readRevocations(0))?.revocations.length, 1)
    // One that has run out is written anew, not extended.
    await store.writeRevocation(revocationRecord('token', 'young', { expiresAtMs: 9000 }), {
      ...bounds,
      nowMs: 3001,
    })
    assert.equal((await store.readRevocations(9000))?.revocations.length, 1)
  })

  contract(
    'a full list takes no more, from one or from anybody, until something has run out',
    async (store) => {
      const few = { nowMs: 1000, most: 3, mostOfOne: 2 }
      const by = (id: string, client: string | undefined, expiresAtMs = 5000): RevocationRecord =>
        revocationRecord('token', id, { by: client, expiresAtMs })
      assert.equal(await store.writeRevocation(by('a', 'orders'), few), true)
      assert.equal(await store.writeRevocation(by('b', 'orders'), few), true)
      const version = await versionOf(store)
      assert.equal(await store.writeRevocation(by('c', 'orders'), few), false)
      assert.equal(await versionOf(store), version)
      assert.equal(await store.writeRevocation(by('a', 'orders', 6000), few), true, 'it is there already')
      assert.equal(await store.writeRevocation(by('c', undefined), few), true)
      assert.equal(await store.writeRevocation(by('d', 'shop'), few), false)
      const later = { ...few, nowMs: 5001 }
      assert.equal(await store.writeRevocation(by('d', 'shop', 9000), later), true)
    },
  )

  contract('simultaneous revocations are all kept, each with a version of its own', async (store) => {
    const ids = Array.from({ length: 12 }, (_, index) => `t${index}`)
    const outcomes = await Promise.all(
      ids.map((id) => store.writeRevocation(revocationRecord('token', id), { ...bounds, most: 10 })),
    )
    assert.equal(outcomes.filter(Boolean).length, 10)
    assert.equal((await store.readRevocations(1000))?.revocations.length, 10)
  })

  contract('the audit log tells of a revocation, and of none that was not taken', async (store) => {
    await store.writeRevocation(revocationRecord('token', 'a'), bounds, [entry])
    await store.writeRevocation(revocationRecord('token', 'b'), { ...bounds, most: 1 }, [entry])
    assert.equal((await store.readAuditHead()).sequence, 1)
  })

  contract('a client and what revokes its tokens are written together or not at all', async (store) => {
    const draft = { id: 'a', request: undefined, removed: false, settings: '{}' }
    await store.writeClient(draft, 0, [])
    const records = [revocationRecord('client', 'a'), revocationRecord('subject', 'a')]
    const write = (revision: number, most: number) =>
      store.writeClientAndRevoke(
        { ...draft, settings: `{"was":${revision}}` },
        revision,
        records,
        {
          ...bounds,
          most,
        },
        [entry],
      )
    assert.equal(await write(1, 1), 'full', 'both or none')
    assert.equal(await write(7, 100), undefined, 'it changed meanwhile')
    assert.equal((await store.findClient({ id: 'a' }))?.revision, 1)
    assert.deepEqual((await store.readRevocations(1000))?.revocations, [])
    assert.equal((await store.readAuditHead()).sequence, 0)

    const written = await write(1, 2)
    assert.ok(written !== 'full' && written !== undefined)
    assert.deepEqual([written.revision, written.settings], [2, '{"was":1}'])
    assert.deepEqual(await store.findClient({ id: 'a' }), written)
    assert.deepEqual((await store.readRevocations(1000))?.revocations, records)
    assert.equal((await store.readAuditHead()).sequence, 1)
    assert.notEqual(await write(2, 2), 'full', 'what is there already takes no room')
  })

  contract(
    'simultaneous writers of clients and of revocations do not wait for each other for ever',
    async (store) => {
      const clients = Array.from({ length: 6 }, (_, index) => `c${index}`)
      const draft = (id: string) => ({ id, request: undefined, removed: false, settings: '{}' })
      const outcomes = await Promise.all(
        clients.flatMap((id): Promise<unknown>[] => [
          store.writeClientAndRevoke(draft(id), 0, [revocationRecord('client', id)], bounds, [entry]),
          store.writeRevocation(revocationRecord('token', id), bounds, [entry]),
          store.writeClient(draft(`other-${id}`), 0, [entry]),
        ]),
      )
      assert.ok(outcomes.every((outcome) => outcome !== undefined && outcome !== false && outcome !== 'full'))
      assert.equal((await store.readRevocations(1000))?.revocations.length, 12)
    },
  )
}

export function revocationRecord(
  kind: RevocationRecord['kind'],
  id: string,
  fields: Partial<RevocationRecord> = {},
): RevocationRecord {
  return {
    kind,
    id,
    issuedBeforeSeconds: undefined,
    revokedAtMs: 1000,
    expiresAtMs: 9_000_000_000_000,
    by: undefined,
    ...fields,
  }
}

const entry: AuditEntry = {
  atMs: 1000,
  actor: 'client admin',
  action: 'revoked',
  subject: 'a',
  outcome: 'done',
  detail: '{}',
}

const bounds = { nowMs: 1000, most: 100, mostOfOne: 100 }

async function versionOf(store: Store): Promise<number> {
  return (await store.readRevocations(0))?.version ?? -1
}
