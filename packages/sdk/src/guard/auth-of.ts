import { Problem } from '../core/problem.ts'
import type { Principal } from '../policy/principal.ts'
import { carriedBy, carriedSoFar } from './carried.ts'
import type { Guard, GuardTerms } from './guard.ts'

/** What a framework's request carries behind a guard. */
export type Authenticated<G extends Guard = Guard> = { readonly auth: AuthOf<G> }

/** Who acts, as this guard gives it: `AuthOf<typeof guard>`. */
export type AuthOf<G extends Guard> = G extends Guard<infer Terms> ? Principal<Terms['claims']> : never

/**
 * Who acts, for a handler behind a guard: from the object that the framework gives to its handlers (Express, Fastify and
 * Nest: the request; Koa: the context; Hono: the context; gRPC: the call's metadata;
 * MCP: `extra.authInfo`).
 *
 * It is the same as the property `auth`, but it is never undefined, and never something that other code has put there.
 *
 * @param guard which guard's word counts, for services whose guard has a schema: `auth.claims` then has its type.
 * @throws Problem `auth-missing` when no guard, or not that one, has let this request through, or only as open.
 * @example
 * app.get('/me', guardExpress(guard, 'authenticated'), (req, res) => res.json(authOf(req).subject))
 */
export function authOf<Terms extends GuardTerms>(
  carrier: object,
  guard?: Guard<Terms>,
): Principal<Terms['claims']> {
  const carried = carriedSoFar(carrier)
  if (carried?.principal !== undefined && (guard === undefined || carried.guard === guard)) {
    return carried.principal as Principal<Terms['claims']>
  }
  throw new Problem('auth-missing', 'no guard has let this request through, or only an open one', {
    next: 'put a guard with "authenticated" or a policy before this handler',
  })
}

/** For adapters: remembers who acts. An open route, which asks nobody, forgets nobody either. */
export function rememberAuth(carrier: object, principal: Principal | undefined, guard: Guard): void {
  if (principal !== undefined) carriedBy(carrier).letThrough(principal, guard)
}

/**
 * For adapters: what comes next, in the guard's context where it has one. Behind an open guard that stands behind another
 * one, the earlier principal still acts; and where nobody is known the context says so, whatever it was made in.
 */
export function proceed<Result>(carrier: object, guard: Guard, next: () => Result): Result {
  return guard.context === undefined ? next() : guard.context.run(carriedSoFar(carrier)?.principal, next)
}
