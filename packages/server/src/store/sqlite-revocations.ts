import type { DatabaseSync } from 'node:sqlite'
import { mergeRevocations } from './revocation-merge.ts'
import type { AuditEntry, RevocationBounds, RevocationRecord, Store } from './store.ts'

/** The part of a SQLite store that keeps what is revoked. */
export type SqliteRevocations = Pick<Store, 'readRevocations' | 'writeRevocation'> & {
  /**
   * Looks whether the list takes all of these. Stands inside a transaction.
   *
   * @returns what writes them; undefined when there is no room.
   */
  plan(revocations: readonly RevocationRecord[], bounds: RevocationBounds): (() => void) | undefined
  /** Drops at most `limit` that count no longer, and says how many. */
  drop(nowMs: number, limit: number): number
}

/**
 * @param transaction runs `work` in one, and turns its failures into Problems.
 * @param appendAudit writes the audit log, in the same transaction.
 */
export function createSqliteRevocations(
  database: DatabaseSync,
  transaction: <T>(mode: 'DEFERRED' | 'IMMEDIATE', work: () => T) => Promise<T>,
  appendAudit: (entries: readonly AuditEntry[]) => void,
): SqliteRevocations {
  const readVersion = database.prepare('SELECT version FROM revocation_list')
  const raiseVersion = database.prepare('UPDATE revocation_list SET version = max(version + 1, ?)')
  const readLive = database.prepare(`SELECT * FROM revocation WHERE expires_at_ms >= ? ORDER BY kind, id`)
  const find = database.prepare('SELECT * FROM revocation WHERE kind = ? AND id = ? AND expires_at_ms >= ?')
  const count = database.prepare(
    `SELECT count(*) AS live, count(CASE WHEN revoked_by IS ? THEN 1 END) AS own
     FROM revocation WHERE expires_at_ms >= ?`,
  )
  const write = database.prepare(
    `INSERT OR REPLACE INTO revocation (kind, id, issued_before_seconds, revoked_at_ms, expires_at_ms, revoked_by)
     VALUES (?, ?, ?, ?, ?, ?)`,
  )
  const sweep = database.prepare(
    `DELETE FROM revocation WHERE (kind, id) IN
       (SELECT kind, id FROM revocation WHERE expires_at_ms < ? LIMIT ?)`,
  )

  const plan: SqliteRevocations['plan'] = (revocations, { nowMs, most, mostOfOne }) => {
    const changes = revocations.map((revocation) => {
      const row = find.get(revocation.kind, revocation.id, nowMs) as RevocationRow | undefined
      return { revocation, known: row === undefined ? undefined : toRecord(row) }
    })
    const fresh = changes.filter(({ known }) => known === undefined)
    if (fresh.length > 0) {
      const { live, own } = count.get(fresh[0]!.revocation.by ?? null, nowMs) as { live: number; own: number }
      if (live + fresh.length > most || own + fresh.length > mostOfOne) return undefined
    }
    return () => {
      for (const { revocation, known } of changes) {
        const next = known === undefined ? revocation : mergeRevocations(known, revocation)
        if (next === undefined) continue
        write.run(...toColumns(next))
        raiseVersion.run(nowMs)
      }
    }
  }

  return {
    plan,
    async readRevocations(nowMs, knownVersion) {
      return transaction('DEFERRED', () => {
        const { version } = readVersion.get() as { version: number }
        if (version === knownVersion) return undefined
        return { version, revocations: (readLive.all(nowMs) as unknown as RevocationRow[]).map(toRecord) }
      })
    },
    async writeRevocation(revocation, bounds, entries = []) {
      return transaction('IMMEDIATE', () => {
        const put = plan([revocation], bounds)
        if (put === undefined) return false
        put()
        appendAudit(entries)
        return true
      })
    },
    drop: (nowMs, limit) => Number(sweep.run(nowMs, limit).changes),
  }
}

type RevocationRow = {
  kind: RevocationRecord['kind']
  id: string
  issued_before_seconds: number | null
  revoked_at_ms: number
  expires_at_ms: number
  revoked_by: string | null
}

function toRecord(row: RevocationRow): RevocationRecord {
  return {
    kind: row.kind,
    id: row.id,
    issuedBeforeSeconds: row.issued_before_seconds ?? undefined,
    revokedAtMs: row.revoked_at_ms,
    expiresAtMs: row.expires_at_ms,
    by: row.revoked_by ?? undefined,
  }
}

function toColumns(revocation: RevocationRecord): (string | number | null)[] {
  const { kind, id, issuedBeforeSeconds = null, revokedAtMs, expiresAtMs, by = null } = revocation
  return [kind, id, issuedBeforeSeconds, revokedAtMs, expiresAtMs, by]
}
