import { chainEntries } from './audit-chain.ts'
import type { PostgresConnection, PostgresPool } from './postgres-pool.ts'
import type { AuditEntry, AuditHead, AuditRecord } from './store.ts'

/** By name: a later version may add some while this one runs. */
const columns = 'sequence, at_ms, actor, action, subject, outcome, detail, hash'

/** Adds to the audit log, inside the transaction of what it tells about. */
export async function appendAudit(
  connection: PostgresConnection,
  entries: readonly AuditEntry[],
): Promise<readonly AuditRecord[]> {
  if (entries.length === 0) return []
  // Whoever comes second waits here for the row, so that the chain has no branches. It is always the last row that a
  // transaction locks: two of them can wait for each other in no other order.
  const { rows } = await connection.query({
    text: 'SELECT sequence, hash FROM countersign.audit_head FOR UPDATE',
  })
  const records = chainEntries(toHead(rows[0] as HeadRow), entries)
  for (const { sequence, atMs, actor, action, subject, outcome, detail, hash } of records) {
    await connection.query({
      text: `INSERT INTO countersign.audit_record (${columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      values: [sequence, atMs, actor, action, subject, outcome, detail, hash],
    })
  }
  const last = records.at(-1)!
  await connection.query({
    text: 'UPDATE countersign.audit_head SET sequence = $1, hash = $2',
    values: [last.sequence, last.hash],
  })
  return records
}

export async function readAudit(
  pool: Pick<PostgresPool, 'run'>,
  afterSequence: number,
  limit: number,
): Promise<readonly AuditRecord[]> {
  const { rows } = await pool.run({
    name: 'read-audit',
    text: `SELECT ${columns} FROM countersign.audit_record WHERE sequence > $1 ORDER BY sequence LIMIT $2`,
    values: [afterSequence, limit],
  })
  return (rows as readonly AuditRow[]).map((row) => ({
    atMs: Number(row.at_ms),
    actor: row.actor,
    action: row.action,
    subject: row.subject,
    outcome: row.outcome,
    detail: row.detail,
    ...toHead(row),
  }))
}

export async function readAuditHead(pool: Pick<PostgresPool, 'run'>): Promise<AuditHead> {
  const { rows } = await pool.run({ text: 'SELECT sequence, hash FROM countersign.audit_head' })
  return toHead(rows[0] as HeadRow)
}

/** `bigint` columns come as text. */
type HeadRow = { readonly sequence: string; readonly hash: string }
type AuditRow = HeadRow & Omit<AuditEntry, 'atMs'> & { readonly at_ms: string }

function toHead({ sequence, hash }: HeadRow): AuditHead {
  return { sequence: Number(sequence), hash }
}
