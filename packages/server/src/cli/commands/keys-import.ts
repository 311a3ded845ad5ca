import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseStrictJson, Problem } from '@countersign/sdk/core'
import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { printRing } from '../key-ring-view.ts'

/**
 * Announces a private key from a file, PEM or JWK. JSON: `{ "keys": [ … ] }`, as the admin API has them.
 */
export async function run(
  context: Context,
  { algorithm, keyId }: { algorithm?: string; keyId?: string },
  file: string,
): Promise<number> {
  let text: string
  try {
    text =
      file === '-' ? await context.terminal.readInput() : readFileSync(resolve(context.cwd, file), 'utf8')
  } catch (cause) {
    throw new Problem('usage', `cannot read ${file}`, { next: 'check the path', cause })
  }
  const common = {
    ...(algorithm === undefined ? {} : { algorithm }),
    ...(keyId === undefined ? {} : { id: keyId }),
  }
  const jwk = text.trimStart().startsWith('{') ? parseStrictJson(text) : undefined
  if (typeof jwk === 'string')
    throw new Problem('usage', `${file}: ${jwk}`, { next: 'expected a JWK or a PEM' })
  const admin = await openAdmin(context)
  const { json } = await admin.ask('POST', '/keys', {
    body: jwk === undefined ? { pem: text, ...common } : { jwk, ...common },
  })
  printRing(context, json)
  return exitCodes.ok
}
