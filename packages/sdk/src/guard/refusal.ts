import type { IncomingMessage } from 'node:http'
import type { Challenge } from '../policy/challenge.ts'
import type { Policy } from '../policy/policy.ts'
import type { Principal, SignedClaims } from '../policy/principal.ts'
import { rememberAuth } from './auth-of.ts'
import type { Guard, GuardTerms } from './guard.ts'
import { fetchGuardRequest, nodeGuardRequest } from './guard-request.ts'
import { checkOneRequirement, outcomeOf } from './outcome.ts'

/** What a framework's own error for a refusal has as its `cause`: the answer as it would be in HTTP. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly challenge: Challenge

  constructor(challenge: Challenge) {
    super(challenge.body)
    this.challenge = challenge
  }
}

/** A request as servers on Node have it, or as those of the fetch standard do. */
export type HttpRequest = IncomingMessage | Request

/** What may be asked for: all but nothing. */
export type PolicyOf<Terms extends GuardTerms> = 'authenticated' | Policy<Terms['role'], Terms['scope']>

/** Asks for one thing: gives who acts, or throws the error of the framework. */
export type Need<Claims extends SignedClaims = SignedClaims> = (
  request: HttpRequest,
) => Promise<Principal<Claims>>

/**
 * For frameworks that know refusals as their own kind of error, thrown from within a call.
 *
 * @param errorOf makes that error; the message of the refusal is all that it may show to the caller.
 * @throws Problem `policy-invalid`, `option-unknown`, at once.
 */
export function needOf<Terms extends GuardTerms>(
  where: string,
  guard: Guard<Terms>,
  requirement: PolicyOf<Terms>,
  errorOf: (refusal: Refusal) => Error,
): Need<Terms['claims']> {
  checkOneRequirement(where, requirement)
  return async (request) => {
    const asked =
      'rawHeaders' in request
        ? nodeGuardRequest(request, (request as { originalUrl?: string }).originalUrl)
        : fetchGuardRequest(request)
    const outcome = await outcomeOf(guard, asked, requirement, [])
    if (outcome.kind === 'refused') throw errorOf(new Refusal(outcome.challenge))
    rememberAuth(request, outcome.principal, guard)
    return outcome.principal as Principal<Terms['claims']>
  }
}
