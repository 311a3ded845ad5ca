import type { IncomingMessage, ServerResponse } from 'node:http'
import { isPending } from '../core/pending.ts'
import type { Principal } from '../policy/principal.ts'
import { proceed, rememberAuth } from './auth-of.ts'
import type { Guard, GuardTerms, RequirementOf } from './guard.ts'
import { nodeGuardRequest } from './guard-request.ts'
import { answer, isGone } from './node.ts'
import { checkOneRequirement, outcomeInTurn, responseHeadersOf } from './outcome.ts'
import type { Outcome } from './outcome.ts'

/** What a Koa context has that a guard needs. */
export type KoaContext = {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly originalUrl: string
  readonly state: object
  respond?: boolean | undefined
}

export type KoaMiddleware = (context: KoaContext, next: () => Promise<unknown>) => Promise<unknown>

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
  return (context, next) => {
    const { req, res, originalUrl } = context
    const outcome = outcomeInTurn(guard, nodeGuardRequest(req, originalUrl), requirement, req)
    // Another function that waits would cost as much as the check.
    return isPending(outcome) ? outcome.then(act) : act(outcome)

    function act(settled: Outcome): Promise<unknown> {
      if (settled.kind === 'refused') {
        // Koa would read an upload of any length to its end before it is done with the refusal.
        context.respond = false
        answer(req, res, settled.challenge)
        return done
      }
      // Whoever asked may have left meanwhile.
      if (isGone(res)) return done
      rememberAuth(context, settled.principal, guard)
      if (settled.principal !== undefined) (context.state as { auth?: Principal }).auth = settled.principal
      for (const [name, value] of responseHeadersOf(settled)) res.setHeader(name, value)
      return proceed(context, guard, next)
    }
  }
}

const done: Promise<void> = Promise.resolve()
