import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Problem } from '@countersign/sdk/core'
import { adminPlace, askAdmin, credentialsPath } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { loadTrust } from '../find-trust.ts'
import { openPrivate } from '../write-private.ts'

/**
 * Makes the first client of the admin API with the issuer's one-time code, and keeps its credentials in a file that only
 * this user can read.
 *
 * JSON: `{ "client", "credentials" }`, never the secret.
 */
export async function run(context: Context, options: { codeFile?: string }): Promise<number> {
  const { terminal, json, cwd } = context
  const { trust } = await loadTrust(context, 'none')
  const place = await adminPlace(context)
  const code = readCode(
    options.codeFile === undefined ? trust.issuer!.admin!.codeFile : resolve(cwd, options.codeFile),
  )
  const path = credentialsPath(context)
  // Before the code is used up: what cannot be kept must not be made.
  const file = openPrivate(path)
  try {
    const answer = await askAdmin(place.url, 'POST', '/bootstrap', { body: { code } })
    const { id, secret } = answer.json as { id: string; secret: string }
    const kept = { issuer: place.issuer, admin: place.url, client_id: id, client_secret: secret }
    file.keep(`${JSON.stringify(kept, null, 2)}\n`)
    if (json) terminal.print(JSON.stringify({ client: id, credentials: path }, null, 2))
    else terminal.print(id)
  } finally {
    file.drop()
  }
  terminal.say(`its credentials are in ${path}`)
  return exitCodes.ok
}

function readCode(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    throw new Problem('usage', `there is no one-time code in ${path}`, {
      next: 'start the issuer; once the first client is made there is none any more',
      cause,
    })
  }
}
