import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'

/** Ends what a managed client can do, its tokens included, until it is enabled again. JSON: the client. */
export async function run(context: Context, _options: object, id: string): Promise<number> {
  const { terminal, json } = context
  const admin = await openAdmin(context)
  const client = await admin.ask('POST', `/clients/${encodeURIComponent(id)}/disable`, { ifMatch: '*' })
  if (json) terminal.print(JSON.stringify(client.json, null, 2))
  else terminal.say('disabled, and its tokens are revoked')
  return exitCodes.ok
}
