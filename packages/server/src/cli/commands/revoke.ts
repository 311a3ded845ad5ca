import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'

/** Revokes a token, a subject, a client or a key. JSON: `{ "revoked": { "kind", "id" } }`. */
export async function run(context: Context, _options: object, kind: string, id: string): Promise<number> {
  const { terminal, json } = context
  const admin = await openAdmin(context)
  if (kind === 'key') await admin.ask('DELETE', `/keys/${encodeURIComponent(id)}`)
  else await admin.ask('POST', '/revocations', { body: { kind, id } })
  if (json) terminal.print(JSON.stringify({ revoked: { kind, id } }, null, 2))
  else terminal.say('revoked; gateways and guards know with their next look at the feed')
  return exitCodes.ok
}
