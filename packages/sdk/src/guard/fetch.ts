import { isPending } from '../core/pending.ts'
import type { Challenge } from '../policy/challenge.ts'
import type { Decision } from '../policy/decide.ts'
import type { Principal, SignedClaims } from '../policy/principal.ts'
import type { Guard, GuardRequest, GuardTerms, RequirementOf } from './guard.ts'
import type { PolicyOf } from './refusal.ts'
import { checkRequirement } from './routes.ts'
import type { GuardRoutes } from './routes.ts'

type Allowed<Claims extends SignedClaims = SignedClaims> = Decision<Claims> & { readonly kind: 'allow' }

/**
 * Puts a guard before a function from `Request` to `Response`, as the frameworks of the fetch standard take it. Who may
 * not pass gets the same answer as at the gateway, and the function never hears of it.
 *
 * A `Request` has lost the target's own bytes: its URL has been parsed, so dot segments and backslashes are gone before
 * the guard sees them. What the guard judges is what the function sees; a router behind it must use `request.url` too.
 *
 * @param requirement what every request needs, or the service's routes.
 * @param respond gets the principal (undefined on open routes), the decision with the route and its parameters, and then
 *   whatever the framework gave besides the request: Next.js' `{ params }`, a worker's `env` and `ctx`, Bun's `server`.
 *   Their types are those that it names, or that are asked of the result.
 * @throws Problem `policy-invalid`, `option-unknown`, at once.
 * @example
 * export default { fetch: guardFetch(guard, { roles: 'reader' }, (request, auth) => new Response(`hello ${auth.subject}`)) }
 */
export function guardFetch<Terms extends GuardTerms, Rest extends readonly unknown[]>(
  guard: Guard<Terms>,
  requirement: PolicyOf<Terms>,
  respond: (
    request: Request,
    auth: Principal<Terms['claims']>,
    decision: Allowed<Terms['claims']>,
    ...rest: Rest
  ) => Response | Promise<Response>,
): (request: Request, ...rest: Rest) => Promise<Response>
export function guardFetch<Terms extends GuardTerms, Rest extends readonly unknown[]>(
  guard: Guard<Terms>,
  requirement: RequirementOf<Terms> | GuardRoutes<Terms['role'], Terms['scope']>,
  respond: (
    request: Request,
    auth: Principal<Terms['claims']> | undefined,
    decision: Allowed<Terms['claims']>,
    ...rest: Rest
  ) => Response | Promise<Response>,
): (request: Request, ...rest: Rest) => Promise<Response>
export function guardFetch(
  guard: Guard,
  requirement: RequirementOf<GuardTerms> | GuardRoutes,
  respond: (
    request: Request,
    auth: Principal & undefined,
    decision: Allowed,
    ...rest: readonly unknown[]
  ) => Response | Promise<Response>,
): (request: Request, ...rest: readonly unknown[]) => Promise<Response> {
  checkRequirement(requirement)
  return async (request, ...rest) => {
    const asked = readFetchRequest(request)
    let decision: Decision
    try {
      const decided = guard.check(asked, requirement)
      if (isPending(decided)) {
        // Looked up before, since some servers watch the connection only from then on.
        const { signal } = request
        decision = await decided
        // Whoever asked may have left while the keys were on their way, and nobody will read this.
        if (signal.aborted) return new Response(null, { status: 503 })
      } else decision = decided
    } catch (problem) {
      return refusalResponse(request, guard.answerProblem(problem, asked.rawHeaders))
    }
    if (decision.kind === 'deny') return refusalResponse(request, guard.answer(decision, asked.rawHeaders))
    const auth = decision.principal as Principal & undefined
    const response = await (guard.context === undefined
      ? respond(request, auth, decision, ...rest)
      : guard.context.run(auth, () => respond(request, auth, decision, ...rest)))
    return decision.responseHeaders === undefined ? response : withHeaders(response, decision.responseHeaders)
  }
}

/** A copy, since the headers of a response that came from elsewhere cannot be changed. */
function withHeaders(response: Response, headers: Readonly<Record<string, string>>): Response {
  const copy = new Response(response.body, response)
  for (const [name, value] of Object.entries(headers)) copy.headers.set(name, value)
  return copy
}

export function readFetchRequest({ method, url, headers }: Request): GuardRequest {
  const rawHeaders: string[] = []
  // Two Authorization headers arrive here joined by a comma, which no token has: they are refused as malformed. Where the
  // platform reads `req.headers` of node:http it has kept only the first, which is then the one that everybody sees.
  for (const [name, value] of headers) rawHeaders.push(name, value)
  // An absolute URL: the path begins at the first slash behind the authority (RFC 3986 §3.2).
  return { method, target: url.slice(url.indexOf('/', url.indexOf('//') + 2)), rawHeaders }
}

export function refusalResponse({ method }: Request, { status, headers, body }: Challenge): Response {
  return new Response(method === 'HEAD' ? null : body, { status, headers })
}
