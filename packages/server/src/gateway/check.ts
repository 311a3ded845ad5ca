import type { Denial } from '@countersign/sdk/core'
import type { Verification, VerifiedToken } from '@countersign/sdk/jwt'
import { extractToken } from '@countersign/sdk/policy'
import type { ReadyRoute, ReadyService } from './routes.ts'
import type { Allowance } from './token-facts.ts'

/**
 * Decides whether a request may use a route: locate the token, verify it, read who acts, ask the policy. Whatever
 * stands before a service (this proxy today, decision endpoints for other proxies) asks here and nowhere else.
 *
 * @param rawHeaders names and values in turns, as they arrived
 * @param nowMs the time of the request, milliseconds since the epoch
 * @returns a promise only when a key has to be fetched first
 * @throws Problem `keys-unavailable` by rejecting: answer 503, never 401, and never let it through
 */
export function check(
  service: ReadyService,
  route: ReadyRoute,
  rawHeaders: readonly string[],
  nowMs: number,
): Outcome | Promise<Outcome> {
  if (route.open) return service.ownPlaces.length === 0 ? open : checkOpen(service, rawHeaders)
  const { verifier } = service
  // A service without a verifier has open routes only; were it otherwise, this fails closed.
  if (verifier === undefined) return { token: undefined, result: nobodyToAsk }
  const token = extractToken(service.tokenFrom, rawHeaders)
  if (typeof token !== 'string') return { token: undefined, result: token }
  const verification = verifier.verifyNow(token, nowMs)
  if (verification !== undefined) return judge(verification, service, route)
  return verifier.verify(token).then((fetched) => judge(fetched, service, route))
}

/** What was decided, and on what token. */
export type Outcome = {
  /** Undefined when there is none, or none that is good. */
  readonly token: VerifiedToken | undefined
  readonly result: Allowance | Denial
}

/** Nobody asks for the token, but a service that looks at it all the same must not find two to choose from. */
function checkOpen(service: ReadyService, rawHeaders: readonly string[]): Outcome {
  const token = extractToken(service.ownPlaces, rawHeaders)
  return typeof token !== 'string' && token.reason === 'token-repeated'
    ? { token: undefined, result: token }
    : open
}

function judge(verification: Verification, service: ReadyService, route: ReadyRoute): Outcome {
  if (verification.kind === 'denied') return { token: undefined, result: verification.denial }
  const { token } = verification
  return { token, result: service.facts.decide(token, route) }
}

const open: Outcome = Object.freeze({
  token: undefined,
  result: Object.freeze({ principal: undefined, identity: '' }),
})
const nobodyToAsk: Denial = Object.freeze({
  reason: 'issuer-mismatch',
  detail: "no issuer's tokens are accepted",
})
