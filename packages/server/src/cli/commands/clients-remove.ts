import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'

/** Removes a managed client; with `--revoke` its tokens too. JSON: `{ "removed" }`. */
export async function run(context: Context, { revoke }: { revoke?: boolean }, id: string): Promise<number> {
  const { terminal, json } = context
  const admin = await openAdmin(context)
  await admin.ask('DELETE', `/clients/${encodeURIComponent(id)}`, { ifMatch: '*' })
  if (revoke === true) await admin.ask('POST', '/revocations', { body: { kind: 'client', id } })
  if (json) terminal.print(JSON.stringify({ removed: id }, null, 2))
  else
    terminal.say(
      revoke === true ? 'removed, and its tokens are revoked' : 'removed; tokens it has end by themselves',
    )
  return exitCodes.ok
}
