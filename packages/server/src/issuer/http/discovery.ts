import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Jwk } from '@countersign/sdk/jwt'
import type { ClientCertificateSettings } from '../../trust/trust.ts'
import { assertionAlgorithms } from '../clients/client-assertion.ts'
import { authMethods } from '../clients/client-auth.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import { asciiJson } from './reply.ts'
import type { Reply } from './reply.ts'
import { grantTypes } from '../token/token-endpoint.ts'

/** What an issuer publishes about itself, by path; each answers GET and HEAD. */
export type Discovery = ReadonlyMap<string, (request: IncomingMessage, nowMs: number) => Reply>

/** Where an issuer's endpoints are. */
export type IssuerPaths = {
  readonly token: string
  /** Answers everybody that nobody can log in here. */
  readonly authorization: string
  readonly introspection: string
  readonly revocation: string
  /** The signed list of what is revoked. */
  readonly revocations: string
  readonly jwks: string
  /** RFC 8414 §3.1: the well-known segment stands between host and path. */
  readonly authorizationServer: string
  /** OpenID Connect Discovery §4: it stands behind the path. */
  readonly openidConfiguration: string
}

/** @param issuer the `iss` claim: an http or https URL without query and fragment. */
export function issuerPaths(issuer: string): IssuerPaths {
  const { pathname } = new URL(issuer)
  const base = pathname.endsWith('/') ? pathname.slice(0, -1) : pathname
  return {
    token: `${base}/token`,
    authorization: `${base}/authorize`,
    introspection: `${base}/introspect`,
    revocation: `${base}/revoke`,
    revocations: `${base}/revocations`,
    jwks: `${base}/.well-known/jwks.json`,
    authorizationServer: `/.well-known/oauth-authorization-server${base}`,
    openidConfiguration: `${base}/.well-known/openid-configuration`,
  }
}

/**
 * The issuer's metadata (RFC 8414, and for readers that know OpenID Connect only its own place and two members) and
 * its key set (RFC 7517 §5).
 *
 * All of it may be cached for `cacheSeconds`, the number the rotation of keys is worked out with.
 *
 * @example
 * const discovery = createDiscovery({ issuer: 'https://issuer.example', algorithm: 'ES256', ring, cacheSeconds: 300 })
 */
export function createDiscovery({
  issuer,
  algorithm,
  ring,
  cacheSeconds,
  proofAlgorithms,
  clientCertificates,
  mtlsUrl,
}: DiscoveryOptions): Discovery {
  const paths = issuerPaths(issuer)
  const origin = new URL(issuer).origin
  const caching = `public, max-age=${cacheSeconds}`
  const endpoints = (at: string): Readonly<Record<string, string>> => ({
    token_endpoint: at + paths.token,
    introspection_endpoint: at + paths.introspection,
    revocation_endpoint: at + paths.revocation,
  })
  // Made for the first who asks: what this runtime can verify takes a while to find out, and nobody waits for it at the start.
  let documents: { readonly oauth: Document; readonly openid: Document } | undefined
  const describe = (): { readonly oauth: Document; readonly openid: Document } => {
    const metadata = {
      // RFC 8414 §3.3: identical to what the reader started from, character by character.
      issuer,
      ...endpoints(origin),
      // RFC 8414 §2 asks for it only where people log in; clients that insist on one, MCP's among them, read no further
      // without it.
      authorization_endpoint: origin + paths.authorization,
      jwks_uri: origin + paths.jwks,
      response_types_supported: [],
      grant_types_supported: grantTypes,
      token_endpoint_auth_methods_supported: authMethods(clientCertificates),
      // RFC 8414 §2: required with private_key_jwt.
      token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms(),
      // RFC 9449 §5.1
      dpop_signing_alg_values_supported: proofAlgorithms,
      // RFC 8705 §3.3, §5
      ...(clientCertificates === undefined ? {} : { tls_client_certificate_bound_access_tokens: true }),
      ...(mtlsUrl === undefined ? {} : { mtls_endpoint_aliases: endpoints(mtlsUrl) }),
      // RFC 8414 §2: the ways to authenticate are those of the token endpoint.
      ...Object.fromEntries(
        ['introspection', 'revocation'].flatMap((name) => [
          [`${name}_endpoint_auth_methods_supported`, authMethods(clientCertificates)],
          [`${name}_endpoint_auth_signing_alg_values_supported`, assertionAlgorithms()],
        ]),
      ),
      revocations_uri: origin + paths.revocations,
    }
    const oauth = publish('application/json', asciiJson(metadata), caching)
    // OpenID Connect Discovery §3 requires the last two; the algorithm is the one our tokens are signed with.
    const openid = publish(
      'application/json',
      asciiJson({
        ...metadata,
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: [algorithm],
      }),
      caching,
    )
    return { oauth, openid }
  }

  let served: { readonly keys: readonly Jwk[]; readonly document: Document } | undefined
  const jwks = (nowMs: number): Document => {
    const keys = ring.publishedAt(nowMs)
    if (served?.keys !== keys) {
      served = { keys, document: publish('application/jwk-set+json', asciiJson({ keys }), caching) }
    }
    return served.document
  }

  return new Map<string, (request: IncomingMessage, nowMs: number) => Reply>([
    [paths.authorizationServer, (request) => conditional(request, (documents ??= describe()).oauth)],
    [paths.openidConfiguration, (request) => conditional(request, (documents ??= describe()).openid)],
    [paths.jwks, (request, nowMs) => conditional(request, jwks(nowMs))],
    [paths.authorization, () => nobodyLogsIn],
  ])
}

const nobodyLogsIn: Reply = {
  status: 400,
  headers: ['Content-Type', 'text/plain; charset=utf-8', 'Cache-Control', 'no-store'],
  body: 'Nobody can log in here: this issuer gives tokens to clients, at its token endpoint.',
}

export type DiscoveryOptions = {
  readonly issuer: string
  readonly algorithm: string
  readonly ring: Pick<KeyRing, 'publishedAt'>
  readonly cacheSeconds: number
  /** What DPoP proofs may be signed with. */
  readonly proofAlgorithms: readonly string[]
  /** Undefined: clients are asked for none. */
  readonly clientCertificates?: ClientCertificateSettings | undefined
  /** Where clients with certificates find the endpoints, when that is elsewhere. */
  readonly mtlsUrl?: string | undefined
}

/** What is published under one ETag. */
export type Document = { readonly etag: string; readonly full: Reply; readonly unchanged: Reply }

function publish(contentType: string, body: string, caching: string): Document {
  // Strong: equal tags mean equal bytes (RFC 9110 §8.8.1).
  const etag = `"${hash('sha256', body, 'base64url').slice(0, 22)}"`
  const headers = ['Cache-Control', caching, 'ETag', etag]
  return {
    etag,
    full: { status: 200, headers: ['Content-Type', contentType, ...headers], body },
    unchanged: { status: 304, headers, body: '' },
  }
}

/** RFC 9110 §13.1.2: the comparison is the weak one, so `W/` in front makes no difference. */
export function conditional(request: IncomingMessage, { etag, full, unchanged }: Document): Reply {
  const known = request.headers['if-none-match']
  if (known === undefined) return full
  if (known.trim() === '*') return unchanged
  const tags = known.split(',').map((tag) => tag.trim())
  return tags.some((tag) => tag === etag || tag === `W/${etag}`) ? unchanged : full
}
