import { createHash } from 'node:crypto'
import { Problem } from '@countersign/sdk/core'
import type { StoreSettings } from '../trust/trust.ts'
import type { ReadTable, StoreArchive } from './archive.ts'
import { emptyChain, verifyChain } from './audit-chain.ts'
import { postgresArchive } from './postgres-archive.ts'
import { sqliteArchive } from './sqlite-archive.ts'
import type { AuditHead, AuditRecord } from './store.ts'
import { tables } from './tables.ts'
import type { Row, Table } from './tables.ts'

/** What was copied. */
export type StoreCopy = {
  /** Source and target, without passwords. */
  readonly from: string
  readonly to: string
  /** Of the key ring, retired ones included. */
  readonly keys: number
  /** Managed clients, the marks of removed ones included. */
  readonly clients: number
  readonly auditRecords: number
  /** Where the audit log ends, in source and target. */
  readonly auditHead: AuditHead
  readonly replayMarks: number
  readonly revocations: number
}

/**
 * Copies everything in one store to another, empty one, of the same or another kind.
 *
 * It is all there or nothing is: the target is filled in one transaction, and before that is committed each table is read back and
 * compared with what was read, and the audit log's chain is followed. Nobody may write to the source meanwhile; when
 * somebody did, the copy is given up.
 *
 * @throws Problem `store-not-empty`, `store-changed`, `store-copy-failed`, `store-missing`, `store-older`, `store-newer`,
 * `store-foreign`, `store-unavailable`
 *
 * @example
 * await copyStore({ kind: 'sqlite', path: 'countersign.db' }, { kind: 'postgres', url })
 */
export async function copyStore(from: StoreSettings, to: StoreSettings): Promise<StoreCopy> {
  return copyArchive(openArchive(from), openArchive(to))
}

/** The same for archives. */
export async function copyArchive(source: StoreArchive, target: StoreArchive): Promise<StoreCopy> {
  return source.dump((readSource) =>
    target.load(async (readTarget, write) => {
      const copied = await summarise(async function* (table) {
        for await (const rows of readSource(table)) {
          await write(table, rows)
          yield rows
        }
      })
      refuseDifference(copied, await summarise(readTarget), (table) => {
        return new Problem(
          'store-copy-failed',
          `${target.name} does not give table ${table} back as it was written`,
        )
      })
      const auditHead = await followAudit(readTarget, source.name)
      refuseDifference(copied, await source.dump(summarise), (table) => {
        return new Problem(
          'store-changed',
          `table ${table} of ${source.name} was written to while it was copied`,
          {
            next: 'stop every issuer that uses it, then copy again; nothing has been changed',
          },
        )
      })
      const rowsIn = (table: string): number => copied.get(table)?.rows ?? 0
      return {
        from: source.name,
        to: target.name,
        keys: rowsIn('ring_key'),
        clients: rowsIn('client'),
        auditRecords: rowsIn('audit_record'),
        auditHead,
        replayMarks: rowsIn('replay_mark'),
        revocations: rowsIn('revocation'),
      }
    }),
  )
}

function openArchive(settings: StoreSettings): StoreArchive {
  switch (settings.kind) {
    case 'memory':
      throw new Problem('usage', 'memory: is forgotten with its process: there is nothing to copy from or to')
    case 'sqlite':
      return sqliteArchive({ path: settings.path })
    case 'postgres':
      return postgresArchive({ url: settings.url })
  }
}

/** By table: how many rows, and a digest of all their values in their order. */
type Summaries = ReadonlyMap<string, { readonly rows: number; readonly digest: string }>

async function summarise(read: ReadTable): Promise<Summaries> {
  const summaries = new Map<string, { rows: number; digest: string }>()
  for (const table of tables) {
    const digest = createHash('sha256')
    let count = 0
    for await (const rows of read(table)) {
      count += rows.length
      for (const row of rows) digest.update(`${JSON.stringify(row)}\n`)
    }
    summaries.set(table.name, { rows: count, digest: digest.digest('base64url') })
  }
  return summaries
}

function refuseDifference(left: Summaries, right: Summaries, problem: (table: string) => Problem): void {
  for (const [table, { rows, digest }] of left) {
    const other = right.get(table)
    if (other?.rows !== rows || other.digest !== digest) throw problem(table)
  }
}

/** Every record must stand behind the one before it, and the last one be where the head says. */
async function followAudit(read: ReadTable, sourceName: string): Promise<AuditHead> {
  let head = emptyChain
  for await (const rows of read(tableNamed('audit_record'))) {
    const verdict = verifyChain(head, rows.map(toAuditRecord))
    if (verdict.kind === 'broken') throw brokenAudit(sourceName, verdict.why)
    head = verdict.head
  }
  for await (const rows of read(tableNamed('audit_head'))) {
    if (rows[0]?.[0] === head.sequence && rows[0][1] === head.hash) return head
  }
  throw brokenAudit(sourceName, `it ends at record ${head.sequence}, which is not what its head says`)
}

function toAuditRecord(row: Row): AuditRecord {
  const [sequence, atMs, actor, action, subject, outcome, detail, hash] = row
  return { sequence, atMs, actor, action, subject, outcome, detail, hash } as AuditRecord
}

/** What is in the target is what is in the source, so that it is broken there. */
function brokenAudit(sourceName: string, why: string): Problem {
  return new Problem('store-copy-failed', `the audit log of ${sourceName} is broken: ${why}`, {
    next: 'find out who wrote to it; nothing has been copied',
  })
}

function tableNamed(name: string): Table {
  return tables.find((table) => table.name === name)!
}
