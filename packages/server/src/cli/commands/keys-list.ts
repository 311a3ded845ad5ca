import { Problem } from '@countersign/sdk/core'
import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { fetchPublishedKeys } from '../published-keys.ts'
import { issuerUrlFor } from '../issuer-choice.ts'
import { printRing } from '../key-ring-view.ts'

/**
 * Lists the keys an issuer publishes: what verifiers use right now. With `--all` it asks the admin API for every key on
 * record and the state it is in.
 *
 * JSON: `{ "issuer", "keys": [{ "kid", "alg", "kty", "use" }] }`; with `--all` as the admin API has them.
 */
export async function run(
  context: Context,
  { issuer, all }: { issuer?: string; all?: boolean },
): Promise<number> {
  const { terminal, json } = context
  if (all === true) {
    if (issuer !== undefined) {
      throw new Problem('usage', '--all asks the admin API, which the credentials name', {
        next: 'leave --issuer out',
      })
    }
    printRing(context, (await (await openAdmin(context)).ask('GET', '/keys')).json)
    return exitCodes.ok
  }
  const url = await issuerUrlFor(context, issuer)
  const keys = await fetchPublishedKeys(url)
  if (json) {
    terminal.print(JSON.stringify({ issuer: url, keys }, null, 2))
    return exitCodes.ok
  }
  if (keys.length === 0)
    throw new Problem('keys-unavailable', `${url} publishes no keys`, {
      next: 'check that it is the issuer you mean',
    })
  for (const { kid, alg, kty, use } of keys) {
    terminal.print([kid ?? '(no kid)', alg ?? '(no alg)', kty, use].filter(Boolean).join('  '))
  }
  terminal.say(`${keys.length === 1 ? 'one key' : `${keys.length} keys`} of ${url}`)
  return exitCodes.ok
}
