import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { printRing } from '../key-ring-view.ts'

/** Takes a key out at once and revokes its tokens. JSON: `{ "keys": [ … ] }`, as the admin API has them. */
export async function run(context: Context, _options: object, id: string): Promise<number> {
  const admin = await openAdmin(context)
  const { json } = await admin.ask('DELETE', `/keys/${encodeURIComponent(id)}`)
  printRing(context, json)
  return exitCodes.ok
}
