import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isProblem } from '@countersign/sdk/core'
import { emptyChain, verifyChain } from '../../packages/server/src/store/audit-chain.ts'
import type { AuditEntry, ClientDraft, KeyRecord, Store } from '../../packages/server/src/store/store.ts'
import { revocationContract } from './revocation-contract.ts'

/**
 * Test support: what every store must do, run by each driver's own test file.
 *
 * @param open gives a new, empty store each time.
 * @param options.skip why this store cannot be tested here.
 */
export function storeContract(
  name: string,
  open: () => Promise<Store>,
  options: { skip?: string } = {},
): void {
  const contract = (title: string, body: (store: Store) => Promise<void>): void => {
    test(`${name}: ${title}`, options, async () => {
      const store = await open()
      try {
        await body(store)
      } finally {
        await store.close()
      }
    })
  }

  contract('a new ring is empty at version 0', async (store) => {
    assert.deepEqual({ ...(await store.readRing()) }, { version: 0, keys: [] })
  })

  contract('keeps every field of every record, in order', async (store) => {
    const keys = [keyRecord('first', { retired: { atMs: 9, because: 'removed' } }), keyRecord('second')]
    assert.equal(await store.replaceRing(0, keys), true)
    assert.deepEqual(await store.readRing(), { version: 1, keys })

    const fewer = [keyRecord('first', { sealedKey: undefined, retired: { atMs: 9, because: 'rotated' } })]
    assert.equal(await store.replaceRing(1, fewer), true)
    assert.deepEqual(await store.readRing(), { version: 2, keys: fewer })
  })

  contract(
    'what was read does not change with a later write, nor with the array that was given',
    async (store) => {
      const keys = [keyRecord('first')]
      await store.replaceRing(0, keys)
      keys.push(keyRecord('never given'))
      const before = await store.readRing()
      await store.replaceRing(1, [keyRecord('second')])
      assert.deepEqual(before, { version: 1, keys: [keyRecord('first')] })
    },
  )

  contract('refuses a replacement that is based on an old version, and changes nothing', async (store) => {
    await store.replaceRing(0, [keyRecord('winner')])
    assert.equal(await store.replaceRing(0, [keyRecord('loser')]), false)
    assert.equal(await store.replaceRing(2, [keyRecord('dreamer')]), false)
    assert.deepEqual(await store.readRing(), { version: 1, keys: [keyRecord('winner')] })
  })

  contract('of simultaneous replacements exactly one wins', async (store) => {
    const names = Array.from({ length: 8 }, (_, index) => `replica-${index}`)
    const outcomes = await Promise.all(names.map((id) => store.replaceRing(0, [keyRecord(id)])))
    assert.equal(outcomes.filter(Boolean).length, 1)
    const ring = await store.readRing()
    assert.deepEqual(
      ring.keys.map((key) => key.keyId),
      [names[outcomes.indexOf(true)]],
    )
  })

  contract('a ring and what the audit log says of it are written together or not at all', async (store) => {
    await store.replaceRing(0, [keyRecord('first')], [auditEntry('first')])
    await store.replaceRing(0, [keyRecord('late')], [auditEntry('late')])
    assert.deepEqual(subjects(await store.readAudit(0, 10)), ['first'])
  })

  contract('a managed client is written, found, changed and removed', async (store) => {
    const made = await store.writeClient(draft('b', { request: 'r1' }), 0, [auditEntry('b')])
    assert.deepEqual(made, { ...draft('b', { request: 'r1' }), revision: 1, version: 1 })
    assert.deepEqual(await store.findClient({ id: 'b' }), made)
    assert.deepEqual(await store.findClient({ request: 'r1' }), made)

    const changed = await store.writeClient(draft('b', { settings: '{"name":"Zoë"}' }), 1, [auditEntry('b')])
    // What made it stays on record, whatever a later draft says.
    const expected = { id: 'b', request: 'r1', removed: false, settings: '{"name":"Zoë"}' }
    assert.deepEqual(changed, { ...expected, revision: 2, version: 2 })

    const removed = await store.writeClient(draft('b', { removed: true, settings: '' }), 2, [auditEntry('b')])
    assert.equal(removed?.removed, true)
    assert.deepEqual(await store.listClients('', 10), [])
    assert.deepEqual(await store.findClient({ id: 'b' }), removed)
    assert.deepEqual(await store.readClientChanges(2, 10), [removed])
    assert.equal((await store.readAudit(0, 10)).length, 3)
    assert.equal(await store.findClient({ id: 'a' }), undefined)
    assert.equal(await store.findClient({ request: 'r2' }), undefined)
  })

  contract('a client that changed meanwhile, or is removed, is left as it is', async (store) => {
    await store.writeClient(draft('a', { request: 'r1' }), 0, [auditEntry('a')])
    for (const [other, revision] of [
      [draft('a'), 0],
      [draft('a'), 2],
      [draft('b'), 1],
      [draft('b', { request: 'r1' }), 0],
    ] as const) {
      assert.equal(await store.writeClient(other, revision, [auditEntry('never')]), undefined)
    }
    await store.writeClient(draft('a', { removed: true }), 1, [auditEntry('a')])
    for (const revision of [0, 1, 2]) {
      assert.equal(await store.writeClient(draft('a'), revision, [auditEntry('never')]), undefined)
    }
    assert.equal((await store.findClient({ id: 'a' }))?.removed, true)
    assert.deepEqual(subjects(await store.readAudit(0, 10)), ['a', 'a'])
  })

  contract('clients are listed by id, changes by version, page by page', async (store) => {
    for (const id of ['c', 'B', 'a', 'é']) await store.writeClient(draft(id), 0, [])
    await store.writeClient(draft('c', { settings: 'new' }), 1, [])
    const ids = (records: readonly { id: string }[]): string[] => records.map(({ id }) => id)
    // By code unit, not by the alphabet of some language.
    assert.deepEqual(ids(await store.listClients('', 2)), ['B', 'a'])
    assert.deepEqual(ids(await store.listClients('a', 2)), ['c', 'é'])
    assert.deepEqual(ids(await store.readClientChanges(0, 2)), ['B', 'a'])
    const [, second] = await store.readClientChanges(0, 2)
    assert.deepEqual(ids(await store.readClientChanges(second!.version, 9)), ['é', 'c'])
    const last = (await store.readClientChanges(0, 9)).at(-1)!
    assert.deepEqual(await store.readClientChanges(last.version, 9), [])
  })

  contract(
    'of simultaneous changes of one client exactly one wins, and one entry tells of it',
    async (store) => {
      await store.writeClient(draft('a'), 0, [])
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          store.writeClient(draft('a', { settings: `${index}` }), 1, [auditEntry(`${index}`)]),
        ),
      )
      const [winner, ...others] = outcomes.filter((outcome) => outcome !== undefined)
      assert.deepEqual(others, [])
      assert.deepEqual(subjects(await store.readAudit(0, 10)), [winner?.settings])
      assert.deepEqual(await store.findClient({ id: 'a' }), winner)
    },
  )

  contract('the audit log keeps every field, in a chain', async (store) => {
    assert.deepEqual(await store.readAuditHead(), emptyChain)
    const odd = auditEntry(`'"ü\u{1f511}%`, { outcome: 'refused', detail: '{"a":"\\u0000"}' })
    const [first] = await store.appendAudit([odd])
    await store.appendAudit([auditEntry('b'), auditEntry('c')])
    await store.appendAudit([])
    const records = await store.readAudit(0, 10)
    const { sequence, hash, ...entry } = records[0]!
    assert.deepEqual(entry, odd)
    assert.deepEqual(first, records[0])
    assert.deepEqual(verifyChain(emptyChain, records), { kind: 'whole', head: await store.readAuditHead() })
    assert.deepEqual(await store.readAudit(1, 1), records.slice(1, 2))
    assert.deepEqual([sequence, typeof hash], [1, 'string'])
  })

  contract('simultaneous entries make one chain without a gap', async (store) => {
    const written = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        index % 2 === 0
          ? store.appendAudit([auditEntry(`${index}`), auditEntry(`${index}`)])
          : store.writeClient(draft(`${index}`), 0, [auditEntry(`${index}`)]),
      ),
    )
    assert.ok(written.every((outcome) => outcome !== undefined))
    const records = await store.readAudit(0, 100)
    assert.equal(records.length, 30)
    assert.deepEqual(verifyChain(emptyChain, records), { kind: 'whole', head: await store.readAuditHead() })
  })

  contract('an id is new once per scope', async (store) => {
    assert.equal(await store.putOnce('orders', 'a', 2000, 1000), true)
    assert.equal(await store.putOnce('orders', 'a', 2000, 1000), false)
    assert.equal(await store.putOnce('orders', 'b', 2000, 1000), true)
    assert.equal(await store.putOnce('billing', 'a', 2000, 1000), true)
  })

  contract('scope and id do not run into each other', async (store) => {
    assert.equal(await store.putOnce('a b', 'c', 2000, 1000), true)
    assert.equal(await store.putOnce('a', 'b c', 2000, 1000), true)
    assert.equal(await store.putOnce('', 'a b c', 2000, 1000), true)
  })

  contract('keeps any text exactly', async (store) => {
    const odd = `'; DROP TABLE replay_mark; -- "ü\u{1f511}%`
    assert.equal(await store.putOnce(odd, odd, 2000, 1000), true)
    assert.equal(await store.putOnce(odd, odd, 2000, 1000), false)
    assert.equal(await store.putOnce(odd, odd.toUpperCase(), 2000, 1000), true)
  })

  contract('a mark counts to its last millisecond and may be set anew after it', async (store) => {
    await store.putOnce('orders', 'a', 2000, 1000)
    assert.equal(await store.putOnce('orders', 'a', 3000, 2000), false)
    assert.equal(await store.putOnce('orders', 'a', 3000, 2001), true)
    assert.equal(await store.putOnce('orders', 'a', 9000, 3000), false)
    assert.equal(await store.putOnce('orders', 'a', 9000, 3001), true)
  })

  contract('of simultaneous uses of one id exactly one is the first', async (store) => {
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => store.putOnce('orders', 'a', 2000, 1000)),
    )
    assert.equal(outcomes.filter(Boolean).length, 1)
  })

  contract('sweeping drops the expired marks only', async (store) => {
    await store.putOnce('orders', 'old', 2000, 1000)
    await store.putOnce('orders', 'edge', 3000, 1000)
    await store.putOnce('orders', 'young', 4000, 1000)
    assert.deepEqual(await store.sweep(3000), { dropped: 1 })
    assert.equal(await store.putOnce('orders', 'edge', 9000, 3000), false)
    assert.equal(await store.putOnce('orders', 'young', 9000, 3000), false)
    assert.equal(await store.putOnce('orders', 'old', 9000, 3000), true)
  })

  revocationContract(contract)

  contract('answers a ping, and nothing once closed', async (store) => {
    await store.ping()
    await store.close()
    await store.close()
    for (const use of [
      () => store.ping(),
      () => store.readRing(),
      () => store.replaceRing(0, []),
      () => store.putOnce('orders', 'a', 2000, 1000),
      () => store.readClientChanges(0, 1),
      () => store.listClients('', 1),
      () => store.findClient({ id: 'a' }),
      () => store.writeClient(draft('a'), 0, []),
      () => store.appendAudit([auditEntry('a')]),
      () => store.readAudit(0, 1),
      () => store.readAuditHead(),
      () => store.sweep(1000),
      () => store.readRevocations(1000),
    ]) {
      await assert.rejects(use, (error) => isProblem(error) && error.code === 'store-unavailable')
    }
  })
}

/** A record for tests; its sealed key is no key. */
export function keyRecord(keyId: string, fields: Partial<KeyRecord> = {}): KeyRecord {
  return {
    keyId,
    algorithm: 'ES256',
    sealedKey: `sealed ${keyId}`,
    announcedAtMs: 1_800_000_000_000,
    activeFromMs: 1_800_000_360_000,
    longestTokenSeconds: 300,
    longestCacheSeconds: 300,
    retired: undefined,
    ...fields,
  }
}

/** A managed client for tests; its settings say nothing. */
export function draft(id: string, fields: Partial<ClientDraft> = {}): ClientDraft {
  return { id, request: undefined, removed: false, settings: '{}', ...fields }
}

export function auditEntry(subject: string, fields: Partial<AuditEntry> = {}): AuditEntry {
  return {
    atMs: 1_800_000_000_000,
    actor: 'client ops',
    action: 'client.changed',
    subject,
    outcome: 'done',
    detail: '{}',
    ...fields,
  }
}

function subjects(records: readonly AuditEntry[]): string[] {
  return records.map(({ subject }) => subject)
}
