import { Problem } from '../core/problem.ts'
import type { Principal } from '../policy/principal.ts'
import { carriedBy, carriedSoFar } from './carried.ts'

/** What a framework's request carries behind a guard. */
export type Authenticated = { readonly auth: Principal }

/**
 * Who acts, for a handler behind a guard: from the object that the framework gives to its handlers (Express, Fastify and
 * Nest: the request; Koa: the context; Hono: the context; gRPC: the call's metadata).
 *
 * It is the same as the property `auth`, but it is never undefined, and never something that other code has put there.
 *
 * @throws Problem `auth-missing` when no guard has let this request through, or only one that lets everybody through.
 * @example
 * app.get('/me', guardExpress(guard, 'authenticated'), (req, res) => res.json(authOf(req).subject))
 */
export function authOf(carrier: object): Principal {
  const principal = carriedSoFar(carrier)?.principal
  if (principal !== undefined) return principal
  throw new Problem('auth-missing', 'no guard has let this request through, or only an open one', {
    next: 'put a guard with "authenticated" or a policy before this handler',
  })
}

/** For adapters: remembers who acts. An open route, which asks nobody, forgets nobody either. */
export function rememberAuth(carrier: object, principal: Principal | undefined): void {
  if (principal !== undefined) carriedBy(carrier).principal = principal
}
