import type { IncomingMessage } from 'node:http'
import { Problem } from '../core/problem.ts'
import { shownToken } from '../core/shown-token.ts'
import type { Actor, Principal, SignedClaims } from '../policy/principal.ts'
import { authOf, rememberAuth } from './auth-of.ts'
import { guardExpress } from './express.ts'
import type { ExpressMiddleware } from './express.ts'
import type { Guard, GuardTerms } from './guard.ts'
import type { PolicyOf } from './refusal.ts'

/** `AuthInfo` of the MCP SDK: what tools find in `extra.authInfo`. Who acts, as of any guard, is `authOf(extra.authInfo)`. */
export type McpAuthInfo = {
  /** Left out when this is printed or written as JSON. */
  readonly token: string
  readonly clientId: string
  readonly scopes: string[]
  /** Seconds since the epoch. */
  readonly expiresAt?: number
  readonly resource?: URL
  readonly extra: McpAuthExtra
}

/** What `AuthInfo` has no place of its own for. */
export type McpAuthExtra = Record<string, unknown> & {
  readonly subject: string | undefined
  readonly issuer: string
  readonly roles: string[]
  readonly tokenId: string | undefined
  /** Who is acting for the subject, with its own `actor` for the hop before (RFC 8693 §4.1). */
  readonly actor: Actor | undefined
  /** All claims, frozen, or what the guard's schema made of them. */
  readonly claims: SignedClaims
}

/** `OAuthTokenVerifier` of the MCP SDK. */
export type McpVerifier = { verifyAccessToken(token: string): Promise<McpAuthInfo> }

/**
 * A middleware for an MCP server's endpoint, in Express: as `guardExpress`, and tools find who acts in
 * `extra.authInfo`. Refusals tell a client where to get a token when the guard has `resourceMetadata`; an issuer that
 * is down is a 503.
 *
 * @example
 * app.post('/mcp', guardMcp(guard, { scopes: 'mcp:tools' }), (req, res) => transport.handleRequest(req, res, req.body))
 */
export function guardMcp<Terms extends GuardTerms>(
  guard: Guard<Terms>,
  requirement: PolicyOf<Terms>,
): ExpressMiddleware {
  const middleware = guardExpress(guard, requirement)
  return (request, response, next) => {
    return middleware(request, response, (error) => {
      const carrier = request as IncomingMessage & { auth?: McpAuthInfo }
      if (error === undefined) {
        const principal = authOf(request)
        // The very token that was verified, wherever the guard found it.
        carrier.auth = authInfo(guard, principal, shownToken(principal) ?? '', undefined)
      }
      next(error)
    })
  }
}

/**
 * What `requireBearerAuth` of the MCP SDK takes as its `verifier`. {@link guardMcp} is the better one where it can be
 * used: the SDK answers 500 while an issuer is down, and takes the first of two tokens.
 *
 * @param options.resource this server as tokens name it (RFC 8707): told as `AuthInfo.resource`, so that
 *   `expectedResource` can be compared with it. The guard's own audience is checked in any case.
 * @param options.InvalidTokenError of the MCP SDK, which is not imported here.
 * @example
 * const verifier = mcpVerifier(guard, { resource: 'https://mcp.acme.example/mcp', InvalidTokenError })
 * app.use('/mcp', requireBearerAuth({ verifier, expectedResource: new URL('https://mcp.acme.example/mcp') }))
 */
export function mcpVerifier<Terms extends GuardTerms>(
  guard: Guard<Terms>,
  options: {
    readonly resource: string
    readonly InvalidTokenError: new (message: string) => Error
  },
): McpVerifier {
  const { resource, InvalidTokenError } = options
  if (!URL.canParse(resource)) throw new Problem('option-invalid', 'mcpVerifier: resource must be a URL')
  return Object.freeze({
    async verifyAccessToken(token: string): Promise<McpAuthInfo> {
      const rawHeaders = ['authorization', `Bearer ${token}`]
      const decision = await guard.check({ method: 'POST', target: '/', rawHeaders }, 'authenticated')
      if (decision.kind === 'deny') throw new InvalidTokenError(guard.answer(decision, []).body)
      const principal = decision.principal!
      const isForUs = audiencesOf(principal).includes(resource)
      return authInfo(guard, principal, token, isForUs ? resource : undefined)
    },
  })
}

function authInfo(
  guard: Guard,
  principal: Principal,
  token: string,
  resource: string | undefined,
): McpAuthInfo {
  const { subject, clientId, issuer, roles, scopes, tokenId, actor, claims, expiresAtSeconds } = principal
  const info = {
    clientId: clientId ?? subject ?? '',
    scopes: [...scopes],
    ...(Number.isFinite(expiresAtSeconds) ? { expiresAt: expiresAtSeconds } : {}),
    ...(resource === undefined ? {} : { resource: new URL(resource) }),
    extra: { subject, issuer, roles: [...roles], tokenId, actor, claims },
  }
  rememberAuth(info, principal, guard)
  return Object.defineProperty(info, 'token', { value: token }) as typeof info & { readonly token: string }
}

function audiencesOf({ claims }: Principal): readonly unknown[] {
  const audience = claims['aud']
  return Array.isArray(audience) ? (audience as unknown[]) : [audience]
}
