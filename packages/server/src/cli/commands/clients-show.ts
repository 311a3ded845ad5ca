import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'

/** Shows one managed client, as the admin API has it. */
export async function run(context: Context, _options: object, id: string): Promise<number> {
  const admin = await openAdmin(context)
  const { json } = await admin.ask('GET', `/clients/${encodeURIComponent(id)}`)
  context.terminal.print(JSON.stringify(json, null, 2))
  return exitCodes.ok
}
