import { Problem } from './problem.ts'
import { safeGetJson } from './safe-get.ts'
import type { SafeGetLimits, SafeGetReply } from './safe-get.ts'

/** An issuer's published description of itself: nothing in it is trusted beyond what the caller then checks. */
export type IssuerMetadata = { readonly [member: string]: unknown }

/**
 * Fetches an issuer's metadata: OpenID Connect Discovery §4 first, since every provider has it, then RFC 8414 §3.1.
 *
 * The `issuer` inside must be the very text that was asked for (RFC 8414 §3.3): a document that speaks for another
 * issuer is refused.
 *
 * @param get what gets a document.
 * @throws Problem `fetch-failed` or `fetch-refused`.
 */
export async function fetchMetadata(
  issuer: string,
  limits: SafeGetLimits,
  get: (
    url: string,
    limits: SafeGetLimits,
  ) => Promise<Pick<SafeGetReply, 'status' | 'document'>> = safeGetJson,
): Promise<IssuerMetadata> {
  for (const url of metadataUrls(issuer)) {
    const reply = await get(url, limits)
    if (reply.status === 404) continue
    if (reply.status !== 200) throw new Problem('fetch-failed', `${url}: answered ${reply.status}`)
    const metadata = reply.document as IssuerMetadata | null
    if (typeof metadata !== 'object' || metadata === null)
      throw new Problem('fetch-failed', `${url}: not an object`)
    if (metadata['issuer'] !== issuer) {
      throw new Problem('fetch-failed', `${url}: it describes another issuer than ${issuer}`, {
        next: 'write the issuer exactly as its own metadata does, trailing slash included',
      })
    }
    return metadata
  }
  throw new Problem('fetch-failed', `${issuer}: it publishes no metadata`, {
    next: 'check the issuer URL, or name its key set directly',
  })
}

/** Where metadata may stand; OIDC appends to the path, RFC 8414 §3.1 inserts before it. */
export function metadataUrls(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.endsWith('/') ? pathname.slice(0, -1) : pathname
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ]
}
