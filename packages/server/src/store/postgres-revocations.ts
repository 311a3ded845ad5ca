import { appendAudit } from './postgres-audit.ts'
import type { PostgresConnection, PostgresPool } from './postgres-pool.ts'
import { mergeRevocations } from './revocation-merge.ts'
import type { RevocationBounds, RevocationRecord, Store } from './store.ts'

/** The part of a PostgreSQL store that keeps what is revoked. */
export type PostgresRevocations = Pick<Store, 'readRevocations' | 'writeRevocation'> & {
  /** Drops at most `limit` that count no longer, and says how many. */
  drop(nowMs: number, limit: number): Promise<number>
}

export function createPostgresRevocations(pool: PostgresPool): PostgresRevocations {
  return {
    async readRevocations(nowMs, knownVersion = -1) {
      // One statement sees one moment; with the known version it joins no row, and so costs nearly nothing.
      const { rows } = await pool.run({
        name: 'read-revocations',
        text: statements.read,
        values: [nowMs, knownVersion],
      })
      const found = rows as readonly RevocationRow[]
      const version = Number(found[0]?.version ?? 0)
      if (version === knownVersion) return undefined
      return { version, revocations: found.filter(({ kind }) => kind !== null).map(toRecord) }
    },
    async writeRevocation(revocation, bounds, entries = []) {
      return pool.transaction(async (connection) => {
        const put = await planRevocations(connection, [revocation], bounds)
        if (put === undefined) return false
        await put()
        await appendAudit(connection, entries)
        return true
      })
    },
    async drop(nowMs, limit) {
      const { rowCount } = await pool.run({
        name: 'sweep-revocations',
        text: statements.sweep,
        values: [nowMs, limit],
      })
      return rowCount ?? 0
    },
  }
}

/**
 * Locks the list, and looks whether it takes all of these. Stands inside a transaction.
 *
 * @returns what writes them; undefined when there is no room.
 */
export async function planRevocations(
  connection: PostgresConnection,
  revocations: readonly RevocationRecord[],
  { nowMs, most, mostOfOne }: RevocationBounds,
): Promise<(() => Promise<void>) | undefined> {
  // Whoever comes second waits here, and so sees what the first one wrote.
  await connection.query({ text: statements.lock })
  const next: RevocationRecord[] = []
  const fresh: RevocationRecord[] = []
  for (const revocation of revocations) {
    const { kind, id } = revocation
    const { rows } = await connection.query({ text: statements.find, values: [kind, id, nowMs] })
    const known = rows.length === 0 ? undefined : toRecord(rows[0] as RevocationRow)
    if (known === undefined) fresh.push(revocation)
    const merged = known === undefined ? revocation : mergeRevocations(known, revocation)
    if (merged !== undefined) next.push(merged)
  }
  if (fresh.length > 0) {
    const { by = null } = fresh[0]!
    const counted = await connection.query({ text: statements.count, values: [nowMs, by] })
    const { live, own } = counted.rows[0] as { live: string; own: string }
    if (Number(live) + fresh.length > most || Number(own) + fresh.length > mostOfOne) return undefined
  }
  return async () => {
    for (const revocation of next) {
      await connection.query({ text: statements.write, values: toColumns(revocation) })
      await connection.query({ text: statements.raiseVersion, values: [nowMs] })
    }
  }
}

/** `bigint` columns come as text, so that none loses digits; ours are far below that. */
type RevocationRow = {
  version: string
  kind: RevocationRecord['kind'] | null
  id: string
  issued_before_seconds: string | null
  revoked_at_ms: string
  expires_at_ms: string
  revoked_by: string | null
}

function toRecord(row: RevocationRow): RevocationRecord {
  return {
    kind: row.kind!,
    id: row.id,
    issuedBeforeSeconds: row.issued_before_seconds === null ? undefined : Number(row.issued_before_seconds),
    revokedAtMs: Number(row.revoked_at_ms),
    expiresAtMs: Number(row.expires_at_ms),
    by: row.revoked_by ?? undefined,
  }
}

function toColumns(revocation: RevocationRecord): (string | number | null)[] {
  const { kind, id, issuedBeforeSeconds = null, revokedAtMs, expiresAtMs, by = null } = revocation
  return [kind, id, issuedBeforeSeconds, revokedAtMs, expiresAtMs, by]
}

/** By name: a later version may add some while this one runs. */
const columns = 'kind, id, issued_before_seconds, revoked_at_ms, expires_at_ms, revoked_by'

const statements = {
  read: `SELECT list.version, ${columns} FROM countersign.revocation_list AS list
         LEFT JOIN countersign.revocation ON expires_at_ms >= $1 AND list.version <> $2
         ORDER BY kind COLLATE "C", id COLLATE "C"`,
  lock: 'SELECT version FROM countersign.revocation_list FOR UPDATE',
  find: `SELECT ${columns} FROM countersign.revocation WHERE kind = $1 AND id = $2 AND expires_at_ms >= $3`,
  count: `SELECT count(*) AS live, count(*) FILTER (WHERE revoked_by IS NOT DISTINCT FROM $2) AS own
          FROM countersign.revocation WHERE expires_at_ms >= $1`,
  write: `INSERT INTO countersign.revocation (${columns}) VALUES ($1, $2, $3, $4, $5, $6)
          ON CONFLICT (kind, id) DO UPDATE SET issued_before_seconds = excluded.issued_before_seconds,
            revoked_at_ms = excluded.revoked_at_ms, expires_at_ms = excluded.expires_at_ms,
            revoked_by = excluded.revoked_by`,
  raiseVersion: 'UPDATE countersign.revocation_list SET version = GREATEST(version + 1, $1)',
  sweep: `DELETE FROM countersign.revocation WHERE ctid IN
            (SELECT ctid FROM countersign.revocation WHERE expires_at_ms < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`,
} as const
