import type { IncomingMessage, ServerResponse } from 'node:http'
import { isPending } from '../core/pending.ts'
import type { Principal } from '../policy/principal.ts'
import { proceed, rememberAuth } from './auth-of.ts'
import type { Guard, GuardTerms, RequirementOf } from './guard.ts'
import { nodeGuardRequest } from './guard-request.ts'
import { answer, isGone } from './node.ts'
import { checkOneRequirement, outcomeInTurn, responseHeadersOf } from './outcome.ts'
import type { Outcome } from './outcome.ts'

/** A middleware of Express 4 or 5, and of whatever else calls its middleware so. */
export type ExpressMiddleware = (
  request: IncomingMessage & { readonly originalUrl: string },
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void | Promise<void>

/**
 * A middleware that lets a request through when it meets the requirement, with `req.auth`; otherwise it answers as the
 * gateway does.
 *
 * It belongs on the route, where Express has decided which handler answers: a table of paths of its own would be read
 * differently than Express reads paths (case, trailing slash). In front of all routes, `'open'` refuses ambiguous paths
 * before Express's router sees them, and `'authenticated'` closes everything that no route opens.
 *
 * @throws Problem `policy-invalid`, `option-unknown`, `option-invalid`, when the service starts.
 * @example
 * app.use(guardExpress(guard, 'open'))
 * app.get('/invoices/:id', guardExpress(guard, { roles: 'reader' }), (req, res) => {
 *   res.json({ id: req.params.id, for: authOf(req).subject })
 * })
 */
export function guardExpress<Terms extends GuardTerms>(
  guard: Guard<Terms>,
  requirement: RequirementOf<Terms>,
): ExpressMiddleware {
  checkOneRequirement('guardExpress', requirement)
  return (request, response, next) => {
    // A router that is mounted somewhere has taken its own path off `url`, and the client never sent the rest alone.
    const asked = nodeGuardRequest(request, request.originalUrl)
    const outcome = outcomeInTurn(guard, asked, requirement, request)
    return isPending(outcome) ? outcome.then(actLater) : act(outcome)

    /** Express 4 asks for no promise, so what is thrown later would end the process. */
    function actLater(settled: Outcome): void {
      try {
        act(settled)
      } catch (error) {
        next(error)
      }
    }

    function act(settled: Outcome): void {
      if (settled.kind === 'refused') return answer(request, response, settled.challenge)
      // Whoever asked may have left meanwhile.
      if (isGone(response)) return
      rememberAuth(request, settled.principal, guard)
      if (settled.principal !== undefined) (request as { auth?: Principal }).auth = settled.principal
      for (const [name, value] of responseHeadersOf(settled)) response.setHeader(name, value)
      proceed(request, guard, next)
    }
  }
}
