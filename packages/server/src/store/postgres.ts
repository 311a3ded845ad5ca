import type { Secret } from '@countersign/sdk/core'
import { appendAudit, readAudit, readAuditHead } from './postgres-audit.ts'
import { findClient, listClients, readClientChanges, writeClient } from './postgres-clients.ts'
import { batchMarks } from './mark-batch.ts'
import type { Mark } from './mark-batch.ts'
import { openPostgresPool } from './postgres-pool.ts'
import type { PostgresPool } from './postgres-pool.ts'
import { createPostgresRevocations, planRevocations } from './postgres-revocations.ts'
import { migratePostgres } from './postgres-schema.ts'
import type { BeforeMigration, KeyRecord, RingSnapshot, Store } from './store.ts'

/**
 * A store in PostgreSQL, for any number of replicas on any number of machines.
 *
 * Its tables stand in a schema of their own, `countersign`, so that the database may be shared. Commits are on disk
 * when they are acknowledged, whatever the server's default is.
 *
 * @throws Problem `store-unavailable` when the server does not answer or refuses us, `store-newer` when a later
 * version of Countersign wrote the store.
 *
 * @example
 * const store = await openPostgresStore({ url: Secret.fromText('postgres://countersign:…@db.acme.example/countersign') })
 */
export async function openPostgresStore({
  url,
  timeoutMs = 5000,
  sweepLimit = 1000,
  beforeMigration,
}: PostgresStoreOptions): Promise<Store> {
  const pool = openPostgresPool(url, timeoutMs)
  try {
    await migratePostgres(pool, beforeMigration)
  } catch (error) {
    await pool.close()
    throw error
  }

  const { drop: dropRevocations, ...revocations } = createPostgresRevocations(pool)

  return {
    kind: 'postgres',
    ...revocations,
    async readRing(): Promise<RingSnapshot> {
      // One statement sees one moment.
      const { rows } = await pool.run({ name: 'read-ring', text: statements.readRing })
      const found = rows as readonly RingRow[]
      return {
        version: Number(found[0]?.version ?? 0),
        keys: found.filter(({ key_id }) => key_id !== null).map(toRecord),
      }
    },
    async replaceRing(expectedVersion, keys, entries = []) {
      return pool.transaction(async (connection) => {
        // Whoever comes second waits here for the row, and then finds another version in it.
        const claimed = await connection.query({ text: statements.claimVersion, values: [expectedVersion] })
        if (claimed.rowCount !== 1) return false
        await connection.query({ text: statements.dropKeys })
        for (const [position, key] of keys.entries()) {
          await connection.query({ text: statements.insertKey, values: [position, ...toColumns(key)] })
        }
        await appendAudit(connection, entries)
        return true
      })
    },
    readClientChanges: (afterVersion, limit) => readClientChanges(pool, afterVersion, limit),
    listClients: (afterId, limit) => listClients(pool, afterId, limit),
    findClient: (by) => findClient(pool, by),
    async writeClient(client, expectedRevision, entries) {
      return pool.transaction(async (connection) => {
        const written = await writeClient(connection, client, expectedRevision)
        if (written !== undefined) await appendAudit(connection, entries)
        return written
      })
    },
    async writeClientAndRevoke(client, expectedRevision, records, bounds, entries) {
      return pool.transaction(async (connection) => {
        // First, as whoever revokes only: two who lock in two orders would wait for each other.
        const put = await planRevocations(connection, records, bounds)
        if (put === undefined) return 'full'
        const written = await writeClient(connection, client, expectedRevision)
        if (written === undefined) return undefined
        await put()
        await appendAudit(connection, entries)
        return written
      })
    },
    appendAudit: (entries) => pool.transaction((connection) => appendAudit(connection, entries)),
    readAudit: (afterSequence, limit) => readAudit(pool, afterSequence, limit),
    readAuditHead: () => readAuditHead(pool),
    putOnce: batchMarks((marks) => putMarks(pool, marks)),
    async sweep(nowMs) {
      const { rowCount } = await pool.run({
        name: 'sweep',
        text: statements.sweep,
        values: [nowMs, sweepLimit],
      })
      const marks = rowCount ?? 0
      return { dropped: marks + (await dropRevocations(nowMs, sweepLimit - marks)) }
    },
    async ping() {
      await pool.run({ text: 'SELECT 1' })
    },
    close: () => pool.close(),
  }
}

export type PostgresStoreOptions = {
  readonly url: Secret
  /** How long a connection, a lock or a statement may take, in milliseconds. */
  readonly timeoutMs?: number
  /** How many expired marks and revocations one sweep drops at most. */
  readonly sweepLimit?: number
  readonly beforeMigration?: BeforeMigration | undefined
}

/** All marks in one statement. Of equal ones that came together the first may win, as if it had come alone. */
async function putMarks(pool: PostgresPool, marks: readonly Mark[]): Promise<boolean[]> {
  const named = new Map<string, Mark>()
  const keys = marks.map(({ scope, id }) => JSON.stringify([scope, id]))
  keys.forEach((key, index) => {
    if (!named.has(key)) named.set(key, marks[index]!)
  })
  // In one order everywhere: two replicas that lock the same rows in two orders would wait for each other.
  const rows = [...named].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, mark]) => mark)
  const values = [
    rows.map(({ scope }) => scope),
    rows.map(({ id }) => id),
    rows.map(({ expiresAtMs }) => expiresAtMs),
    // Of all their clocks the earliest: a mark that still counts for one of them is not taken over.
    Math.min(...rows.map(({ nowMs }) => nowMs)),
  ]
  const written = await pool.run({ name: 'put-marks', text: statements.putMarks, values })
  const won = new Set(
    (written.rows as readonly MarkRow[]).map(({ scope, id }) => JSON.stringify([scope, id])),
  )
  // delete: only the first of equal ones finds its key there.
  return keys.map((key) => won.delete(key))
}

type MarkRow = { readonly scope: string; readonly id: string }

/** `bigint` columns come as text, so that none loses digits; ours are far below that. */
type RingRow = {
  version: string
  key_id: string | null
  algorithm: string
  sealed_key: string | null
  announced_at_ms: string
  active_from_ms: string
  longest_token_seconds: string
  longest_cache_seconds: string
  retired_at_ms: string | null
  retired_because: 'rotated' | 'removed' | null
}

function toRecord(row: RingRow): KeyRecord {
  return {
    keyId: row.key_id ?? '',
    algorithm: row.algorithm,
    sealedKey: row.sealed_key ?? undefined,
    announcedAtMs: Number(row.announced_at_ms),
    activeFromMs: Number(row.active_from_ms),
    longestTokenSeconds: Number(row.longest_token_seconds),
    longestCacheSeconds: Number(row.longest_cache_seconds),
    retired:
      row.retired_at_ms === null || row.retired_because === null
        ? undefined
        : { atMs: Number(row.retired_at_ms), because: row.retired_because },
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

const statements = {
  // Columns by name throughout: a later version may add some while this one runs.
  readRing: `SELECT version, key_id, algorithm, sealed_key, announced_at_ms, active_from_ms, longest_token_seconds,
               longest_cache_seconds, retired_at_ms, retired_because
             FROM countersign.ring LEFT JOIN countersign.ring_key ON true ORDER BY position`,
  claimVersion: 'UPDATE countersign.ring SET version = version + 1 WHERE version = $1',
  dropKeys: 'DELETE FROM countersign.ring_key',
  insertKey: `INSERT INTO countersign.ring_key (position, key_id, algorithm, sealed_key, announced_at_ms, active_from_ms,
                longest_token_seconds, longest_cache_seconds, retired_at_ms, retired_because)
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
  // One statement, so one winner: an expired mark is taken over, a live one changes nothing and is not returned.
  putMarks: `INSERT INTO countersign.replay_mark (scope, id, expires_at_ms)
             SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
             ON CONFLICT (scope, id) DO UPDATE SET expires_at_ms = excluded.expires_at_ms
             WHERE replay_mark.expires_at_ms < $4
             RETURNING scope, id`,
  sweep: `DELETE FROM countersign.replay_mark WHERE ctid IN
            (SELECT ctid FROM countersign.replay_mark WHERE expires_at_ms < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`,
} as const
