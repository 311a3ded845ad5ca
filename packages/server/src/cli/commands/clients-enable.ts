import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'

/** Lets a disabled client get tokens again; those of before stay revoked. JSON: the client. */
export async function run(context: Context, _options: object, id: string): Promise<number> {
  const { terminal, json } = context
  const admin = await openAdmin(context)
  const client = await admin.ask('POST', `/clients/${encodeURIComponent(id)}/enable`, { ifMatch: '*' })
  if (json) terminal.print(JSON.stringify(client.json, null, 2))
  else terminal.say('enabled; tokens of before stay revoked')
  return exitCodes.ok
}
