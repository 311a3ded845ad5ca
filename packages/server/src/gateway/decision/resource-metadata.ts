import type { CanonicalPath } from '@countersign/sdk/policy'
import type { Answer } from '../front/answer.ts'
import type { GatedRequest } from '../front/request-gate.ts'
import type { Service, Trust } from '../../trust/trust.ts'

/** What a service publishes about itself at the gateway (RFC 9728). */
export type ResourceMetadata = {
  /** Where it stands, for challenges. */
  readonly url: string
  /** The path of that. */
  readonly path: string
  readonly document: string
}

/**
 * The protected resource metadata of a service: where to get a token for it. Published where the service's audience is the
 * very URL at which it stands at the gateway, since `resource` must be what the client asks for its token (§3.3).
 *
 * @returns undefined when the audience is something else
 */
export function resourceMetadata(service: Service, trust: Trust): ResourceMetadata | undefined {
  const { audience, at, host, scopes, tokenFrom } = service
  if (!URL.canParse(audience)) return undefined
  const { origin, protocol, hostname, pathname, search, hash } = new URL(audience)
  if ((protocol !== 'https:' && protocol !== 'http:') || search !== '' || hash !== '') return undefined
  const standsThere = at === undefined ? hostname === host && pathname === '/' : pathname === at
  const publicUrl = trust.gateway?.url
  if (!standsThere || (at !== undefined && publicUrl !== undefined && publicUrl !== origin)) return undefined
  const path = wellKnownPath + (pathname === '/' ? '' : pathname)
  const document = {
    resource: audience,
    authorization_servers: issuersOf(service, trust),
    ...(scopes.length === 0 ? {} : { scopes_supported: scopes }),
    bearer_methods_supported: tokenFrom.some(({ kind }) => kind === 'bearer') ? ['header'] : [],
  }
  return { url: origin + path, path, document: JSON.stringify(document) }
}

/** The answer to a request for a service's metadata: public, and the same for everybody and for any page. */
export function publishedAt(
  { path }: CanonicalPath,
  { method, host }: GatedRequest,
  services: readonly Publishing[],
): Answer | undefined {
  if (!path.startsWith(wellKnownPath) || (method !== 'GET' && method !== 'HEAD')) return undefined
  const one = services.find(
    ({ metadata, host: own }) => metadata?.path === path && (own === undefined || own === host?.name),
  )
  return one === undefined ? undefined : { status: 200, headers, body: one.metadata!.document }
}

/** What of a service counts here. */
type Publishing = { readonly metadata: ResourceMetadata | undefined; readonly host: string | undefined }

const headers = {
  'Content-Type': 'application/json',
  'Cache-Control': 'public, max-age=300',
  'Access-Control-Allow-Origin': '*',
}

/** §3.1: the path of the resource comes behind it. */
export const wellKnownPath = '/.well-known/oauth-protected-resource'

/** Those that can be asked: an issuer whose name is no URL has no metadata of its own. */
function issuersOf({ accepts, acceptsOwn }: Service, trust: Trust): string[] {
  const own = acceptsOwn && trust.issuer !== undefined ? [trust.issuer.url] : []
  const others = accepts.flatMap((name) => trust.trusted.get(name)?.issuer ?? [])
  return [...own, ...others].filter((issuer) => URL.canParse(issuer))
}
