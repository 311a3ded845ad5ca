/** Test support: what every driver must do when its store is copied as a whole; run by each driver's own test file. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { StoreArchive } from '../../packages/server/src/store/archive.ts'
import { copyArchive } from '../../packages/server/src/store/copy.ts'
import { openStore } from '../../packages/server/src/store/open.ts'
import { sqliteArchive } from '../../packages/server/src/store/sqlite-archive.ts'
import type { Store } from '../../packages/server/src/store/store.ts'
import { tables } from '../../packages/server/src/store/tables.ts'
import type { StoreSettings } from '../../packages/server/src/trust/trust.ts'
import { auditEntry, draft, keyRecord } from './contract.ts'
import { revocationRecord } from './revocation-contract.ts'

export type CopyDriver = {
  /** Where a store can be that is not there yet; another place each time. */
  place(): Promise<StoreSettings>
  archive(place: StoreSettings): StoreArchive
  /** The columns of every table there really is, by the table's name. */
  schemaOf(place: StoreSettings): Promise<Record<string, string[]>>
  /** Makes the store claim another schema version. */
  claimVersion(place: StoreSettings, version: number): Promise<void>
  /** Arguments by which `copier.ts` finds the place. */
  words(place: StoreSettings): readonly string[]
}

export function copyContract(name: string, driver: CopyDriver, options: { skip?: string } = {}): void {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-copies-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  let files = 0
  const sqlitePlace = (): StoreSettings & { kind: 'sqlite' } => ({
    kind: 'sqlite',
    path: join(folder, `${files++}.db`),
  })
  const sqlite = (place: StoreSettings): StoreArchive =>
    sqliteArchive({ path: (place as { path: string }).path })
  const contract = (title: string, body: () => Promise<void>): void => {
    test(`${name}: ${title}`, options, body)
  }

  for (const direction of ['from', 'to'] as const) {
    contract(`everything there is comes along, ${direction} it`, async () => {
      const [from, to] =
        direction === 'from' ? [await driver.place(), sqlitePlace()] : [sqlitePlace(), await driver.place()]
      const [source, target] =
        direction === 'from' ? [driver.archive(from), sqlite(to)] : [sqlite(from), driver.archive(to)]
      await filled(from)
      const copy = await copyArchive(source, target)
      const { auditHead, ...counts } = copy
      const of = { from: source.name, to: target.name }
      assert.deepEqual(counts, {
        ...of,
        keys: 3,
        clients: 3,
        auditRecords: 4,
        replayMarks: 1203,
        revocations: 2,
      })
      assert.equal(auditHead.sequence, 4)
      const [before, behind] = [await openStore(from), await openStore(to)]
      assert.deepEqual(await everythingIn(behind), await everythingIn(before))
      for (const id of ['0', '1199', 'Z', odd, '']) {
        assert.equal(await behind.putOnce(odd, id, 9e12, 1000), false, 'it is used up there too')
      }
      // Counted on from where they are, not from the beginning.
      for (const store of [before, behind]) await writeOn(store)
      assert.deepEqual(await everythingIn(behind), await everythingIn(before))
      await before.close()
      await behind.close()
    })
  }

  contract(
    'an empty store that is there already is filled; one that is filled is left as it is',
    async () => {
      const [from, to] = [sqlitePlace(), await driver.place()]
      await filled(from)
      await (await openStore(to)).close()
      await copyArchive(sqlite(from), driver.archive(to))
      await assert.rejects(copyArchive(sqlite(from), driver.archive(to)), { code: 'store-not-empty' })
      await assert.rejects(copyArchive(driver.archive(to), driver.archive(to)), { code: 'store-not-empty' })
    },
  )

  const traces: readonly [string, (store: Store) => Promise<unknown>][] = [
    ['a key ring', (store) => store.replaceRing(0, [])],
    ['a client', (store) => store.writeClient(draft('a'), 0, [])],
    ['an audit record', (store) => store.appendAudit([auditEntry('a')])],
    ['a used-up id', (store) => store.putOnce('a', 'b', 9e12, 1)],
    ['a revocation', (store) => store.writeRevocation(revocationRecord('key', 'k'), bounds)],
  ]
  for (const [what, write] of traces) {
    contract(`a store with nothing but ${what} is not empty`, async () => {
      const [from, to] = [sqlitePlace(), await driver.place()]
      await (await openStore(from)).close()
      const store = await openStore(to)
      await write(store)
      const before = await everythingIn(store)
      await assert.rejects(copyArchive(sqlite(from), driver.archive(to)), { code: 'store-not-empty' })
      assert.deepEqual(await everythingIn(store), before)
      await store.close()
    })
  }

  contract('a store of another schema version is neither copied nor filled', async () => {
    const other = await driver.place()
    await (await openStore(other)).close()
    const current = sqlitePlace()
    await (await openStore(current)).close()
    for (const [version, code] of [
      [1, 'store-older'],
      [99, 'store-newer'],
    ] as const) {
      await driver.claimVersion(other, version)
      await assert.rejects(copyArchive(driver.archive(other), sqlite(sqlitePlace())), { code })
      await assert.rejects(copyArchive(sqlite(current), driver.archive(other)), { code })
    }
  })

  contract('what is not there cannot be copied', async () => {
    await assert.rejects(copyArchive(driver.archive(await driver.place()), sqlite(sqlitePlace())), {
      code: 'store-missing',
    })
  })

  contract('reading sees one moment, and a copy of what was written to meanwhile is given up', async () => {
    const [from, to] = [await driver.place(), sqlitePlace()]
    await filled(from)
    const archive = driver.archive(from)
    let dumps = 0
    const disturbed: StoreArchive = {
      ...archive,
      dump: (work) =>
        archive.dump(async (read) => {
          if (dumps++ > 0) return work(read)
          // The moment is that of the first reading.
          for await (const _ of read(tables[0]!)) break
          const store = await openStore(from)
          await store.appendAudit([auditEntry('meanwhile')])
          await store.close()
          return work(read)
        }),
    }
    await assert.rejects(copyArchive(disturbed, sqlite(to)), { code: 'store-changed' })
    // Nothing is left there: it can be tried again.
    assert.equal((await copyArchive(archive, sqlite(to))).auditRecords, 5)
  })

  contract('a copy that fails half-way leaves nothing', async () => {
    const [from, to] = [sqlitePlace(), await driver.place()]
    await filled(from)
    const archive = driver.archive(to)
    const full: StoreArchive = {
      ...archive,
      load: (work) =>
        archive.load((read, write) =>
          work(read, async (table, rows) => {
            if (table.name === 'revocation') throw new Error('the disk is full')
            await write(table, rows)
          }),
        ),
    }
    await assert.rejects(copyArchive(sqlite(from), full), { code: 'store-unavailable' })
    await copyArchive(sqlite(from), archive)
  })

  contract('a row that does not come back as it was written fails the copy', async () => {
    const [from, to] = [sqlitePlace(), await driver.place()]
    await filled(from)
    const archive = driver.archive(to)
    const forgetful: StoreArchive = {
      ...archive,
      load: (work) =>
        archive.load((read, write) =>
          work(read, (table, rows) => write(table, table.name === 'replay_mark' ? rows.slice(1) : rows)),
        ),
    }
    await assert.rejects(copyArchive(sqlite(from), forgetful), { code: 'store-copy-failed' })
    await copyArchive(sqlite(from), archive)
  })

  contract('a copy that is killed half-way leaves nothing', async () => {
    const [from, to] = [sqlitePlace(), await driver.place()]
    await filled(from)
    const child = fork(copier, [from.path, ...driver.words(to)], {
      execArgv: process.execArgv.filter((word) => word.startsWith('--conditions')),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    assert.equal(await new Promise((resolve) => child.once('message', resolve)), 'half-way')
    child.kill('SIGKILL')
    await ended
    assert.equal((await copyArchive(sqlite(from), driver.archive(to))).keys, 3)
  })

  contract('the list of tables is what the schema has', async () => {
    const place = await driver.place()
    await (await openStore(place)).close()
    const listed = tables.map((table) => [table.name, table.columns.map((column) => column.name)] as const)
    assert.deepEqual(await driver.schemaOf(place), Object.fromEntries(listed))
  })
}

/** A store with something of every kind in it. */
async function filled(place: StoreSettings): Promise<void> {
  const store = await openStore(place)
  await store.replaceRing(0, [keyRecord('never kept')])
  await store.replaceRing(1, [
    keyRecord('retired', { sealedKey: undefined, retired: { atMs: 9, because: 'rotated' } }),
    keyRecord('second'),
    keyRecord(odd, { sealedKey: odd }),
  ])
  await store.writeClient(draft('changed', { request: 'r1' }), 0, [])
  await store.writeClient(draft('changed', { settings: odd }), 1, [auditEntry('changed')])
  await store.writeClient(draft('Removed', { request: odd }), 0, [])
  await store.writeClient(draft('Removed', { removed: true, settings: '' }), 1, [
    auditEntry(odd, { detail: odd }),
  ])
  await store.writeClient(draft('é'), 0, [auditEntry('é', { outcome: 'refused' })])
  await store.appendAudit([auditEntry('last')])
  const marks = Array.from({ length: 1200 }, (_, index) => `${index}`)
  await Promise.all([...marks, 'Z', odd, ''].map((id) => store.putOnce(odd, id, 9e12, 1000)))
  await store.writeRevocation(revocationRecord('subject', odd, { issuedBeforeSeconds: 7, by: odd }), bounds)
  await store.writeRevocation(revocationRecord('key', 'k'), bounds)
  await store.close()
}

/** All that a store's users can read of it. */
async function everythingIn(store: Store): Promise<unknown> {
  const clients = await store.readClientChanges(0, 100)
  const made = clients.flatMap(({ request }) => (request === undefined ? [] : [request]))
  return {
    ring: await store.readRing(),
    clients,
    byRequest: await Promise.all(made.map((request) => store.findClient({ request }))),
    listed: await store.listClients('', 100),
    audit: await store.readAudit(0, 100),
    auditHead: await store.readAuditHead(),
    revocations: await store.readRevocations(1000),
  }
}

async function writeOn(store: Store): Promise<void> {
  const { version, keys } = await store.readRing()
  await store.replaceRing(version, keys.slice(1))
  await store.writeClient(draft('next'), 0, [auditEntry('next')])
  await store.writeRevocation(revocationRecord('token', 't'), { ...bounds, nowMs: 9e12 })
}

const odd = `'"ü\u{1f511}%\\{},\u0001\nNULL`
const bounds = { nowMs: 1000, most: 100, mostOfOne: 100 }
const copier = fileURLToPath(new URL('copier.ts', import.meta.url))
