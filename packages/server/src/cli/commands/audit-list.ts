import type { AuditRecord } from '../../store/store.ts'
import { visible } from '../../visible.ts'
import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'

/** Prints the audit log, oldest first. JSON: one document `{ "records": [ … ] }`. */
export async function run(context: Context): Promise<number> {
  const { terminal, json } = context
  const admin = await openAdmin(context)
  const records: Record<string, unknown>[] = []
  for await (const record of admin.pages('/audit', 'records')) {
    if (json) records.push(record)
    else terminal.print(line(record as AuditRecord))
  }
  if (json) terminal.print(JSON.stringify({ records }, null, 2))
  return exitCodes.ok
}

function line({ sequence, atMs, actor, action, subject, outcome, detail }: AuditRecord): string {
  const refused = outcome === 'refused' ? ['refused'] : []
  const words = [String(sequence), new Date(atMs).toISOString(), actor, action, subject, ...refused, detail]
  return visible(words.join('  '))
}
