import { isPending } from '../core/pending.ts'
import { Problem } from '../core/problem.ts'
import type { Challenge } from '../policy/challenge.ts'
import type { Decision } from '../policy/decide.ts'
import type { Requirement } from '../policy/policy.ts'
import type { Guard, GuardRequest } from './guard.ts'
import type { AskedRequest } from './guard-request.ts'
import { checkRequirement, GuardRoutes } from './routes.ts'
import { inTurn } from './turn.ts'

/** What an adapter has to do: let the request through, or write down the challenge. */
export type Outcome = Allowed | Refused

export type Allowed = Decision & { readonly kind: 'allow' }

export type Refused = { readonly kind: 'refused'; readonly challenge: Challenge }

/**
 * One request through the guard. Nothing is thrown: a failure to decide is a refusal too, with 503.
 *
 * @param answerTo the headers that decide how a refusal looks; for protocols that have a form of their own, none.
 */
export function outcomeOf(
  guard: Guard,
  request: GuardRequest,
  requirement: Requirement | GuardRoutes,
  answerTo: readonly string[] = request.rawHeaders,
): Outcome | Promise<Outcome> {
  let decision: Decision | Promise<Decision>
  try {
    decision = guard.check(request, requirement)
  } catch (problem) {
    return unable(guard, problem, answerTo)
  }
  return isPending(decision) ? later(guard, decision, answerTo) : settled(guard, decision, answerTo)
}

/**
 * The same for frameworks on Node whose handlers never come at once: who was asked for a token goes on with the others of
 * its turn of the event loop, and a process that serves many clients then spends a third less CPU on each.
 *
 * @param message what the server of Node was asked with.
 */
export function outcomeInTurn(
  guard: Guard,
  request: AskedRequest,
  requirement: Requirement,
  message: { readonly readableFlowing: boolean | null },
  answerTo?: readonly string[],
): Outcome | Promise<Outcome> {
  const outcome = outcomeOf(guard, request, requirement, answerTo)
  if (isPending(outcome) || request.waited) return outcome
  // What an open route asks is not worth it; a guard behind it may ask for more.
  if (outcome.kind === 'allow' && outcome.principal === undefined) return outcome
  // Somebody has begun to read the body, and what comes of it by then would be lost to the handler.
  if (message.readableFlowing === true) return outcome
  request.waited = true
  return inTurn(outcome)
}

/**
 * Refuses a requirement that cannot be compiled, and a table of routes: beside a framework's own router there must not
 * be a second reader of paths, which would see other cases and slashes than the first.
 *
 * @throws Problem `option-invalid`, `policy-invalid`, `option-unknown`.
 */
export function checkOneRequirement(where: string, requirement: Requirement): void {
  if ((requirement as unknown) instanceof GuardRoutes) {
    throw new Problem('option-invalid', `${where}: expected a requirement, got a table of routes`, {
      next: 'put a guard with a requirement of its own on each route',
    })
  }
  checkRequirement(requirement)
}

/** What the answer to a request that was let through should carry besides. */
export function responseHeadersOf({ responseHeaders }: Allowed): readonly (readonly [string, string])[] {
  return responseHeaders === undefined ? noHeaders : Object.entries(responseHeaders)
}

async function later(
  guard: Guard,
  pending: Promise<Decision>,
  answerTo: readonly string[],
): Promise<Outcome> {
  try {
    return settled(guard, await pending, answerTo)
  } catch (problem) {
    return unable(guard, problem, answerTo)
  }
}

function settled(guard: Guard, decision: Decision, answerTo: readonly string[]): Outcome {
  if (decision.kind === 'allow') return decision
  return { kind: 'refused', challenge: guard.answer(decision, answerTo) }
}

function unable(guard: Guard, problem: unknown, answerTo: readonly string[]): Refused {
  return { kind: 'refused', challenge: guard.answerProblem(problem, answerTo) }
}

const noHeaders: readonly (readonly [string, string])[] = []
