import { Problem } from '@countersign/sdk/core'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { fetchPublishedKeys } from '../published-keys.ts'
import { issuerUrlFor } from '../issuer-choice.ts'

/**
 * Lists the keys an issuer publishes: what verifiers use right now.
 *
 * JSON: `{ "issuer", "keys": [{ "kid", "alg", "kty", "use" }] }`.
 */
export async function run(context: Context, { issuer }: { issuer?: string }): Promise<number> {
  const { terminal, json } = context
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
