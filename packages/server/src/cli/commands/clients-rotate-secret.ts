import { resolve } from 'node:path'
import { Problem } from '@countersign/sdk/core'
import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { openPrivate } from '../write-private.ts'

/**
 * Mints a client's next secret; the one before stays good. Once the client uses the new one, `--finish` removes the old.
 *
 * JSON: `{ "id", "secret" }`, or with `--finish` `{ "removed" }`.
 */
export async function run(
  context: Context,
  { finish, secretFile }: { finish?: boolean; secretFile?: string },
  client: string,
): Promise<number> {
  const { terminal, json } = context
  const admin = await openAdmin(context)
  const path = `/clients/${encodeURIComponent(client)}`
  const { json: shown, etag = '*' } = await admin.ask('GET', path)
  const secrets = shown['secrets'] as { id: string }[]
  if (finish === true) {
    const old = secrets.length > 1 ? secrets[0] : undefined
    if (old === undefined)
      throw new Problem('usage', 'this client has one secret only', {
        next: 'leave --finish out to mint another one',
      })
    await admin.ask('DELETE', `${path}/secrets/${old.id}`, { ifMatch: etag })
    if (json) terminal.print(JSON.stringify({ removed: old.id }, null, 2))
    else terminal.say('the older secret is removed')
    return exitCodes.ok
  }
  const file = secretFile === undefined ? undefined : openPrivate(resolve(context.cwd, secretFile))
  let made: Record<string, unknown>
  try {
    made = (await admin.ask('POST', `${path}/secrets`, { ifMatch: etag })).json
    file?.keep(`${String(made['secret'])}\n`)
  } finally {
    file?.drop()
  }
  const { id, secret } = made as { id: string; secret: string }
  if (json) terminal.print(JSON.stringify(secretFile === undefined ? { id, secret } : { id }, null, 2))
  else if (secretFile === undefined) terminal.print(secret)
  if (!json)
    terminal.say('the secret before stays good; remove it with --finish once the client uses this one')
  return exitCodes.ok
}
