import type { Denial } from '@countersign/sdk/core'
import type { Verification, VerifiedToken } from '@countersign/sdk/jwt'
import { extractToken } from '@countersign/sdk/policy'
import type { ConstraintCheck } from '@countersign/sdk/policy'
import type { ReadyRoute, ReadyService } from './routes.ts'
import type { TokenSender } from './sender.ts'
import type { Allowance } from './token-facts.ts'

/**
 * Decides whether a request may use a route: locate the token, verify it, read who acts, ask the policy. Whatever
 * stands before a service (this proxy today, decision endpoints for other proxies) asks here and nowhere else.
 *
 * @param rawHeaders names and values in turns, as they arrived
 * @param nowMs the time of the request, milliseconds since the epoch
 * @param sender who sends it; without it no bound token is taken
 * @returns a promise only when a key has to be fetched first
 * @throws Problem `keys-unavailable` by rejecting: answer 503, never 401, and never let it through
 */
export function check(
  service: ReadyService,
  route: ReadyRoute,
  rawHeaders: readonly string[],
  nowMs: number,
  sender?: TokenSender,
): Outcome | Promise<Outcome> {
  if (route.open) return service.ownPlaces.length === 0 ? open : checkOpen(service, rawHeaders)
  const { verifier } = service
  // A service without a verifier has open routes only; were it otherwise, this fails closed.
  if (verifier === undefined) return { token: undefined, result: nobodyToAsk }
  const token = extractToken(service.tokenFrom, rawHeaders)
  if (typeof token !== 'string') return { token: undefined, result: token }
  const verification = verifier.verifyNow(token, nowMs)
  const asking = { service, route, rawHeaders, nowMs, sender, text: token }
  if (verification !== undefined) return judge(verification, asking)
  return verifier.verify(token).then((fetched) => judge(fetched, asking))
}

/** What was decided, and on what token. */
export type Outcome = {
  /** Undefined when there is none, or none that is good. */
  readonly token: VerifiedToken | undefined
  readonly result: Allowance | Denial
  /** What to answer in `DPoP-Nonce`, since the nonce that was used is not the current one any more. */
  readonly nextNonce?: string
  /** Headers the answer needs beside its own. */
  readonly reply?: Readonly<Record<string, string>>
  /** Why it would have been refused, on a route that only writes it down. */
  readonly dryRun?: { readonly reason: Denial['reason'] | 'keys-unavailable'; readonly detail: string }
}

/**
 * Why the token of something that goes on, such as a WebSocket, would not be taken any more: it was revoked meanwhile, or
 * its key. When it expires is for its owner to know.
 *
 * @returns undefined while it would be
 * @throws Problem by rejecting, as {@link check}
 */
export async function tokenWithdrawn(
  { verifier, tokenFrom }: Pick<ReadyService, 'verifier' | 'tokenFrom'>,
  rawHeaders: readonly string[],
  nowMs: number,
): Promise<Denial | undefined> {
  const text = extractToken(tokenFrom, rawHeaders)
  if (typeof text !== 'string') return text
  if (verifier === undefined) return nobodyToAsk
  const verification = verifier.verifyNow(text, nowMs) ?? (await verifier.verify(text))
  return verification.kind === 'denied' && verification.denial.reason !== 'token-expired'
    ? verification.denial
    : undefined
}

/** Nobody asks for the token, but a service that looks at it all the same must not find two to choose from. */
function checkOpen(service: ReadyService, rawHeaders: readonly string[]): Outcome {
  const token = extractToken(service.ownPlaces, rawHeaders)
  return typeof token !== 'string' && token.reason === 'token-repeated'
    ? { token: undefined, result: token }
    : open
}

type Asking = {
  readonly service: ReadyService
  readonly route: ReadyRoute
  readonly rawHeaders: readonly string[]
  readonly nowMs: number
  readonly sender: TokenSender | undefined
  /** The token as it was sent. */
  readonly text: string
}

function judge(verification: Verification, asking: Asking): Outcome | Promise<Outcome> {
  if (verification.kind === 'denied') return { token: undefined, result: verification.denial }
  const { service, route, rawHeaders, sender, text, nowMs } = asking
  const { token } = verification
  // Without it the verifier has refused every token that is bound.
  if (service.senderCheck === undefined) return { token, result: service.facts.decide(token, route) }
  if (sender === undefined) {
    return token.confirmation === undefined && service.senderCheck.acceptsBearer
      ? { token, result: service.facts.decide(token, route) }
      : { token: undefined, result: nobodySends }
  }
  const checked = service.senderCheck.check({ ...sender, rawHeaders }, token, text, nowMs)
  const conclude = (met: ConstraintCheck): Outcome => {
    // Not told whose token it is: it counts for nothing in the hands of whoever has sent it.
    if (met.kind === 'denied') return { token: undefined, result: met.denial }
    const result = service.facts.decide(token, route)
    return met.nextNonce === undefined ? { token, result } : { token, result, nextNonce: met.nextNonce }
  }
  return checked instanceof Promise ? checked.then(conclude) : conclude(checked)
}

const open: Outcome = Object.freeze({
  token: undefined,
  result: Object.freeze({ principal: undefined, identity: '' }),
})
const nobodySends: Denial = Object.freeze({
  reason: 'proof-required',
  detail: 'it cannot be told here who sends the token',
})
const nobodyToAsk: Denial = Object.freeze({
  reason: 'issuer-mismatch',
  detail: "no issuer's tokens are accepted",
})
