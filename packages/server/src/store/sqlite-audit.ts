import type { DatabaseSync } from 'node:sqlite'
import { chainEntries } from './audit-chain.ts'
import type { AuditEntry, AuditHead, AuditRecord } from './store.ts'

/** The audit log in SQLite. `append` stands inside the transaction of what it tells about. */
export type SqliteAudit = {
  append(entries: readonly AuditEntry[]): readonly AuditRecord[]
  read(afterSequence: number, limit: number): readonly AuditRecord[]
  head(): AuditHead
}

export function prepareAudit(database: DatabaseSync): SqliteAudit {
  const readHead = database.prepare('SELECT sequence, hash FROM audit_head')
  const moveHead = database.prepare('UPDATE audit_head SET sequence = ?, hash = ?')
  const insert = database.prepare(
    `INSERT INTO audit_record (sequence, at_ms, actor, action, subject, outcome, detail, hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const read = database.prepare('SELECT * FROM audit_record WHERE sequence > ? ORDER BY sequence LIMIT ?')
  const head = (): AuditHead => ({ ...(readHead.get() as AuditHead) })

  return {
    head,
    append(entries) {
      if (entries.length === 0) return []
      const records = chainEntries(head(), entries)
      for (const { sequence, atMs, actor, action, subject, outcome, detail, hash } of records) {
        insert.run(sequence, atMs, actor, action, subject, outcome, detail, hash)
      }
      const last = records.at(-1)!
      moveHead.run(last.sequence, last.hash)
      return records
    },
    read: (afterSequence, limit) => (read.all(afterSequence, limit) as AuditRow[]).map(toRecord),
  }
}

type AuditRow = Omit<AuditRecord, 'atMs'> & { readonly at_ms: number }

function toRecord({ at_ms: atMs, ...row }: AuditRow): AuditRecord {
  const { sequence, actor, action, subject, outcome, detail, hash } = row
  return { atMs, actor, action, subject, outcome, detail, sequence, hash }
}
