import { AsyncLocalStorage } from 'node:async_hooks'
import { Problem } from '../core/problem.ts'
import type { Principal, SignedClaims } from '../policy/principal.ts'

/** Who acts, for code that is called deep within a request. Made by {@link createAuthContext}. */
export type AuthContext<Claims extends SignedClaims = SignedClaims> = {
  /**
   * Who acts in the request that this code runs for.
   *
   * @throws Problem `auth-missing` outside of a request, on open routes, and where the framework lost the way here.
   */
  auth(): Principal<Claims>
  /** Runs a function, and all that it starts, for this principal; undefined: for nobody. */
  run<Result>(auth: Principal<Claims> | undefined, run: () => Result): Result
}

/**
 * Makes a context in which the adapters of a guard run what they let through, so that code without access to the request
 * finds who acts. Give it to `createGuard` as `context`; without it nothing is tracked, and nothing is paid.
 *
 * @example
 * const context = createAuthContext()
 * const guard = createGuard({ issuer, audience, context })
 * const billing = createTokenSource({ … }).onBehalfOf(context) // asks who acts at each call
 */
export function createAuthContext<Claims extends SignedClaims = SignedClaims>(): AuthContext<Claims> {
  const storage = new AsyncLocalStorage<Principal<Claims> | undefined>()
  return Object.freeze({
    auth() {
      const auth = storage.getStore()
      if (auth !== undefined) return auth
      throw new Problem('auth-missing', 'this code runs for nobody who is known', {
        next: 'give createGuard this context; where the framework loses it, pass auth along and use context.run',
      })
    },
    run: (auth, run) => storage.run(auth, run),
  } satisfies AuthContext<Claims>)
}
