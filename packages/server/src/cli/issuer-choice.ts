import { Problem } from '@countersign/sdk/core'
import { readIssuerUrl } from '../trust/urls.ts'
import type { Context } from './context.ts'
import { loadTrust } from './find-trust.ts'

/**
 * The issuer a command talks to: `--issuer`, or the trust file's.
 *
 * @throws Problem `usage` when neither names one, and those of the trust file
 */
export async function issuerUrlFor(context: Context, given: string | undefined): Promise<string> {
  if (given !== undefined) return checkIssuerUrl(given)
  const { trust, file } = await loadTrust(context, 'none')
  if (trust.issuer !== undefined) return trust.issuer.url
  throw new Problem('usage', `${file.name} has no issuer section`, { next: 'name the issuer with --issuer' })
}

/** @throws Problem `usage` for a URL that no issuer can have */
export function checkIssuerUrl(given: string): string {
  const read = readIssuerUrl(given)
  if ('value' in read) return read.value
  throw new Problem('usage', `--issuer: ${read.message}`, read.next === undefined ? {} : { next: read.next })
}
