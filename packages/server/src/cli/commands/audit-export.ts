import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'

/** Prints the audit log as JSON lines, one a record, as they were hashed: what `audit verify FILE` reads. */
export async function run(context: Context): Promise<number> {
  const admin = await openAdmin(context)
  for await (const record of admin.pages('/audit', 'records')) context.terminal.print(JSON.stringify(record))
  return exitCodes.ok
}
