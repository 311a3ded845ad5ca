import type { DatabaseSync } from 'node:sqlite'
import { batchMarks } from './mark-batch.ts'
import { prepareAudit } from './sqlite-audit.ts'
import { prepareClients } from './sqlite-clients.ts'
import { openSqliteFile, sqliteUnavailable, whileBusy } from './sqlite-file.ts'
import { createSqliteRevocations } from './sqlite-revocations.ts'
import { migrate } from './sqlite-schema.ts'
import type { BeforeMigration, KeyRecord, RingSnapshot, Store } from './store.ts'

/**
 * A store in one SQLite file, for one machine: any number of processes on it may share the file.
 *
 * Write-ahead log with `synchronous = FULL`: a resolved promise is on disk. The file is created readable by its owner
 * only.
 *
 * @throws Problem `store-unavailable` when the file cannot be opened, `store-foreign` when it is some other
 * program's, `store-newer` when a later version of Countersign wrote it.
 *
 * @example
 * const store = openSqliteStore({ path: 'countersign.db' })
 */
export function openSqliteStore({
  path,
  busyTimeoutMs = 5000,
  sweepLimit = 1000,
  beforeMigration,
}: SqliteStoreOptions): Store {
  const database = open(path, busyTimeoutMs, beforeMigration)
  /** At the start alone: what comes later never waits in here. */
  const prepare = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw sqliteUnavailable(path, error)
    }
  }
  const attempt = <T>(work: () => T): Promise<T> => whileBusy(path, busyTimeoutMs, work)

  const audit = prepare(() => prepareAudit(database))
  const clients = prepare(() => prepareClients(database))
  const { readKeys, readVersion, claimVersion, dropKeys, insertKey, putMark, sweepMarks, ping } = prepare(
    () => ({
      readVersion: database.prepare('SELECT version FROM ring'),
      readKeys: database.prepare(
        `SELECT key_id, algorithm, sealed_key, announced_at_ms, active_from_ms, longest_token_seconds,
              longest_cache_seconds, retired_at_ms, retired_because
       FROM ring_key ORDER BY position`,
      ),
      claimVersion: database.prepare('UPDATE ring SET version = version + 1 WHERE version = ?'),
      dropKeys: database.prepare('DELETE FROM ring_key'),
      // Columns by name throughout: a later version may add some while this one runs.
      insertKey: database.prepare(
        `INSERT INTO ring_key (position, key_id, algorithm, sealed_key, announced_at_ms, active_from_ms,
           longest_token_seconds, longest_cache_seconds, retired_at_ms, retired_because)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ),
      // One statement, so one winner: an expired mark is taken over, a live one changes nothing.
      putMark: database.prepare(
        `INSERT INTO replay_mark (scope, id, expires_at_ms) VALUES (?, ?, ?)
       ON CONFLICT (scope, id) DO UPDATE SET expires_at_ms = excluded.expires_at_ms WHERE replay_mark.expires_at_ms < ?`,
      ),
      sweepMarks: database.prepare(
        `DELETE FROM replay_mark WHERE (scope, id) IN
         (SELECT scope, id FROM replay_mark WHERE expires_at_ms < ? LIMIT ?)`,
      ),
      ping: database.prepare('SELECT 1'),
    }),
  )

  /** `mode` says whether the transaction will write: a reader must not wait for the one writer. */
  const transaction = <T>(mode: 'DEFERRED' | 'IMMEDIATE', work: () => T): Promise<T> =>
    attempt(() => {
      database.exec(`BEGIN ${mode}`)
      try {
        const outcome = work()
        database.exec('COMMIT')
        return outcome
      } catch (error) {
        // SQLite may have rolled back already (disk full, for one); then there is nothing left to undo.
        if (database.isTransaction) database.exec('ROLLBACK')
        throw error
      }
    })

  const {
    drop: dropRevocations,
    plan: planRevocations,
    ...revocations
  } = prepare(() => createSqliteRevocations(database, transaction, audit.append))

  return {
    kind: 'sqlite',
    ...revocations,
    async readRing(): Promise<RingSnapshot> {
      return transaction('DEFERRED', () => ({
        version: Number((readVersion.get() as { version: number }).version),
        keys: (readKeys.all() as unknown as KeyRow[]).map(toRecord),
      }))
    },
    async replaceRing(expectedVersion, keys, entries = []) {
      return transaction('IMMEDIATE', () => {
        if (claimVersion.run(expectedVersion).changes !== 1) return false
        dropKeys.run()
        keys.forEach((key, position) => insertKey.run(position, ...toColumns(key)))
        audit.append(entries)
        return true
      })
    },
    async readClientChanges(afterVersion, limit) {
      return attempt(() => clients.changes(afterVersion, limit))
    },
    async listClients(afterId, limit) {
      return attempt(() => clients.list(afterId, limit))
    },
    async findClient(by) {
      return attempt(() => clients.find(by))
    },
    async writeClient(client, expectedRevision, entries) {
      return transaction('IMMEDIATE', () => {
        const written = clients.write(client, expectedRevision)
        if (written !== undefined) audit.append(entries)
        return written
      })
    },
    async writeClientAndRevoke(client, expectedRevision, records, bounds, entries) {
      return transaction('IMMEDIATE', () => {
        const put = planRevocations(records, bounds)
        if (put === undefined) return 'full'
        const written = clients.write(client, expectedRevision)
        if (written === undefined) return undefined
        put()
        audit.append(entries)
        return written
      })
    },
    async appendAudit(entries) {
      return transaction('IMMEDIATE', () => audit.append(entries))
    },
    async readAudit(afterSequence, limit) {
      return attempt(() => audit.read(afterSequence, limit))
    },
    async readAuditHead() {
      return attempt(() => audit.head())
    },
    putOnce: batchMarks((marks) =>
      transaction('IMMEDIATE', () =>
        marks.map(
          ({ scope, id, expiresAtMs, nowMs }) => putMark.run(scope, id, expiresAtMs, nowMs).changes === 1,
        ),
      ),
    ),
    async sweep(nowMs) {
      return attempt(() => {
        const marks = Number(sweepMarks.run(nowMs, sweepLimit).changes)
        return { dropped: marks + dropRevocations(nowMs, sweepLimit - marks) }
      })
    },
    async ping() {
      await attempt(() => ping.get())
    },
    async close() {
      if (database.isOpen) await attempt(() => database.close())
    },
  }
}

export type SqliteStoreOptions = {
  /** The file; created with its schema when it is not there. `:memory:` gives a database of its own. */
  readonly path: string
  /** How long a write waits for another process's write, in milliseconds. Others go on meanwhile. */
  readonly busyTimeoutMs?: number
  /** How many expired marks and revocations one sweep drops at most. */
  readonly sweepLimit?: number
  readonly beforeMigration?: BeforeMigration | undefined
}

function open(path: string, busyTimeoutMs: number, beforeMigration?: BeforeMigration): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    database = openSqliteFile(path, { busyTimeoutMs })
    migrate(database, path, beforeMigration)
    // From here on SQLite itself waits for nobody: it would hold up every request of this process.
    database.exec('PRAGMA busy_timeout = 0')
    return database
  } catch (error) {
    database?.close()
    throw sqliteUnavailable(path, error)
  }
}

type KeyRow = {
  key_id: string
  algorithm: string
  sealed_key: string | null
  announced_at_ms: number
  active_from_ms: number
  longest_token_seconds: number
  longest_cache_seconds: number
  retired_at_ms: number | null
  retired_because: 'rotated' | 'removed' | null
}

function toRecord(row: KeyRow): KeyRecord {
  return {
    keyId: row.key_id,
    algorithm: row.algorithm,
    sealedKey: row.sealed_key ?? undefined,
    announcedAtMs: row.announced_at_ms,
    activeFromMs: row.active_from_ms,
    longestTokenSeconds: row.longest_token_seconds,
    longestCacheSeconds: row.longest_cache_seconds,
    retired:
      row.retired_at_ms === null || row.retired_because === null
        ? undefined
        : { atMs: row.retired_at_ms, because: row.retired_because },
  }
}

function toColumns(key: KeyRecord): (string | number | null)[] {
  return [
    key.keyId,
    key.algorithm,
    key.sealedKey ?? null,
    key.announcedAtMs,
    key.activeFromMs,
    key.longestTokenSeconds,
    key.longestCacheSeconds,
    key.retired?.atMs ?? null,
    key.retired?.because ?? null,
  ]
}
