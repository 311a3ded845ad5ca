import type { IncomingMessage, ServerResponse } from 'node:http'
import { isPending } from '../core/pending.ts'
import type { Requirement } from '../policy/policy.ts'
import type { Principal } from '../policy/principal.ts'
import { proceed, rememberAuth } from './auth-of.ts'
import { refusalResponse } from './fetch.ts'
import type { Guard, GuardTerms, RequirementOf } from './guard.ts'
import { fetchGuardRequest, nodeGuardRequest } from './guard-request.ts'
import { isGone } from './node.ts'
import { checkOneRequirement, outcomeInTurn, outcomeOf, responseHeadersOf } from './outcome.ts'
import type { Outcome } from './outcome.ts'

/** What a Hono context has that a guard needs. */
export type HonoContext = {
  readonly req: { readonly raw: Request }
  readonly env: unknown
  set(name: 'auth', value: Principal): void
  header(name: string, value: string): void
}

export type HonoMiddleware = (context: HonoContext, next: () => Promise<void>) => Promise<Response | void>

/**
 * A middleware of Hono that lets a request through when it meets the requirement, with `c.var.auth`; otherwise it
 * answers as the gateway does. `new Hono<{ Variables: Authenticated }>()` tells the compiler.
 *
 * It belongs on the route, where Hono has decided which handler answers; on `*`, before all routes, `'open'` refuses
 * ambiguous paths before any handler, and `'authenticated'` closes everything.
 *
 * On Node, with `@hono/node-server`, the guard judges the request line as it arrived. Elsewhere there is only a
 * `Request`, whose URL has been parsed: dot segments are gone by then, for the guard and for Hono alike.
 *
 * @throws Problem `policy-invalid`, `option-unknown`, `option-invalid`, when the service starts.
 * @example
 * const app = new Hono<{ Variables: Authenticated }>()
 * app.use(guardHono(guard, 'open'))
 * app.get('/invoices/:id', guardHono(guard, { roles: 'reader' }), (c) => c.json({ for: c.var.auth.subject }))
 */
export function guardHono<Terms extends GuardTerms>(
  guard: Guard<Terms>,
  requirement: RequirementOf<Terms>,
): HonoMiddleware {
  checkOneRequirement('guardHono', requirement)
  return (context, next) => {
    const outcome = outcomeOfContext(guard, context, requirement)
    // Another function that waits would cost as much as the check.
    return isPending(outcome) ? outcome.then(act) : act(outcome)

    function act(settled: Outcome): Promise<Response | void> {
      if (settled.kind === 'refused') {
        return Promise.resolve(refusalResponse(context.req.raw, settled.challenge))
      }
      // Whoever asked may have left meanwhile, and nobody will read this.
      if (isLeft(context)) return Promise.resolve(new Response(null, { status: 503 }))
      rememberAuth(context, settled.principal, guard)
      if (settled.principal !== undefined) context.set('auth', settled.principal)
      for (const [name, value] of responseHeadersOf(settled)) context.header(name, value)
      return proceed(context, guard, next)
    }
  }
}

function outcomeOfContext(
  guard: Guard,
  context: HonoContext,
  requirement: Requirement,
): Outcome | Promise<Outcome> {
  const { incoming } = nodeBindings(context)
  return incoming?.rawHeaders === undefined
    ? outcomeOf(guard, fetchGuardRequest(context.req.raw), requirement)
    : outcomeInTurn(guard, nodeGuardRequest(incoming), requirement, incoming)
}

function isLeft(context: HonoContext): boolean {
  const { outgoing } = nodeBindings(context)
  return outgoing !== undefined && isGone(outgoing)
}

/** @hono/node-server gives the request and the response of node:http along. */
function nodeBindings({ env }: HonoContext): NodeBindings {
  return (env ?? {}) as NodeBindings
}

type NodeBindings = { readonly incoming?: IncomingMessage; readonly outgoing?: ServerResponse }
