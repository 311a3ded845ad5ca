import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { printRing } from '../key-ring-view.ts'

/** Announces a new key now. JSON: `{ "keys": [ … ] }`, as the admin API has them. */
export async function run(context: Context): Promise<number> {
  const admin = await openAdmin(context)
  const { json } = await admin.ask('POST', '/keys/rotate')
  printRing(context, json)
  return exitCodes.ok
}
