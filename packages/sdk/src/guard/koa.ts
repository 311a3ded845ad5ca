import type { IncomingMessage, ServerResponse } from 'node:http'
import { proceed, rememberAuth } from './auth-of.ts'
import type { Guard, GuardTerms, RequirementOf } from './guard.ts'
import { nodeGuardRequest } from './guard-request.ts'
import { answer, isGone } from './node.ts'
import { checkOneRequirement, outcomeOf, responseHeadersOf } from './outcome.ts'

/** What a Koa context has that a guard needs. */
export type KoaContext = {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly originalUrl: string
  readonly state: object
  respond?: boolean | undefined
}

export type KoaMiddleware = (context: KoaContext, next: () => Promise<unknown>) => Promise<void>

/**
 * A middleware of Koa that lets a request through when it meets the requirement, with `ctx.state.auth`; otherwise it
 * answers as the gateway does.
 *
 * It belongs on the route, where the router has decided which handler answers; in front of all, `'open'` refuses
 * ambiguous paths before any router sees them, and `'authenticated'` closes everything.
 *
 * @throws Problem `policy-invalid`, `option-unknown`, `option-invalid`, when the service starts.
 * @example
 * const app = new Koa<Authenticated>()
 * app.use(guardKoa(guard, { roles: 'reader' }))
 * app.use((ctx) => { ctx.body = `hello ${ctx.state.auth.subject}` })
 */
export function guardKoa<Terms extends GuardTerms>(
  guard: Guard<Terms>,
  requirement: RequirementOf<Terms>,
): KoaMiddleware {
  checkOneRequirement('guardKoa', requirement)
  return async (context, next) => {
    const { req, res, originalUrl, state } = context
    const outcome = await outcomeOf(guard, nodeGuardRequest(req, originalUrl), requirement)
    if (outcome.kind === 'refused') {
      // Koa would read an upload of any length to its end before it is done with the refusal.
      context.respond = false
      return answer(req, res, outcome.challenge)
    }
    // Whoever asked may have left while the keys were on their way.
    if (isGone(res)) return
    rememberAuth(context, outcome.principal, guard)
    if (outcome.principal !== undefined) Object.assign(state, { auth: outcome.principal })
    for (const [name, value] of responseHeadersOf(outcome)) res.setHeader(name, value)
    await proceed(context, guard, next)
  }
}
