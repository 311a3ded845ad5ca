import type { IncomingMessage } from 'node:http'
import { Problem } from '../core/problem.ts'
import { shownToken } from '../core/shown-token.ts'
import type { Principal } from '../policy/principal.ts'
import { authOf } from './auth-of.ts'
import { guardExpress } from './express.ts'
import type { ExpressMiddleware } from './express.ts'
import type { Guard, GuardTerms } from './guard.ts'
import type { PolicyOf } from './refusal.ts'

/** `AuthInfo` of the MCP SDK: what tools find in `extra.authInfo`. */
export type McpAuthInfo = {
  /** Left out when this is printed or written as JSON. */
  readonly token: string
  readonly clientId: string
  readonly scopes: string[]
  /** Seconds since the epoch. */
  readonly expiresAt?: number
  readonly resource?: URL
  readonly extra: Record<string, unknown>
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
        carrier.auth = authInfo(principal, shownToken(principal) ?? '', undefined)
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
      return authInfo(principal, token, isForUs ? resource : undefined)
    },
  })
}

function authInfo(principal: Principal, token: string, resource: string | undefined): McpAuthInfo {
  const { subject, clientId, issuer, roles, scopes, tokenId, expiresAtSeconds } = principal
  const info = {
    clientId: clientId ?? subject ?? '',
    scopes: [...scopes],
    ...(Number.isFinite(expiresAtSeconds) ? { expiresAt: expiresAtSeconds } : {}),
    ...(resource === undefined ? {} : { resource: new URL(resource) }),
    extra: { subject, issuer, roles: [...roles], tokenId },
  }
  return Object.defineProperty(info, 'token', { value: token }) as typeof info & { readonly token: string }
}

function audiencesOf({ claims }: Principal): readonly unknown[] {
  const audience = claims['aud']
  return Array.isArray(audience) ? (audience as unknown[]) : [audience]
}
