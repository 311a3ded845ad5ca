import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'

/** Removes a managed client, its tokens included. JSON: `{ "removed" }`. */
export async function run(context: Context, _options: object, id: string): Promise<number> {
  const { terminal, json } = context
  const admin = await openAdmin(context)
  await admin.ask('DELETE', `/clients/${encodeURIComponent(id)}`, { ifMatch: '*' })
  if (json) terminal.print(JSON.stringify({ removed: id }, null, 2))
  else terminal.say('removed, and its tokens are revoked')
  return exitCodes.ok
}
