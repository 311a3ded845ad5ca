import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { deny } from '../core/denial.ts'
import type { Denial } from '../core/denial.ts'
import { isPending } from '../core/pending.ts'
import { isProblem, Problem } from '../core/problem.ts'
import type { RevocationHealth } from '../jwt/revocation-source.ts'
import type { Revocations } from '../jwt/revocations.ts'
import type { VerifiedToken } from '../jwt/verified-token.ts'
import type { Verification, Verifier } from '../jwt/verifier.ts'
import { challenge, prefersJson, problemResponse } from '../policy/challenge.ts'
import type { Challenge } from '../policy/challenge.ts'
import type { Decision } from '../policy/decide.ts'
import { canonicalPath } from '../policy/path.ts'
import type { Requirement } from '../policy/policy.ts'
import type { Principal, SignedClaims } from '../policy/principal.ts'
import type { RequestPeer } from '../policy/client-certificate.ts'
import type { ConstraintCheck, SenderConstraint } from '../policy/sender-constraint.ts'
import { extractToken } from '../policy/token-places.ts'
import type { TokenPlace } from '../policy/token-places.ts'
import type { AuthContext } from './auth-context.ts'
import { Callers } from './callers.ts'
import type { Caller } from './callers.ts'
import { decisionEvent, outageEvent } from './decision-event.ts'
import type { DecisionEvent } from './decision-event.ts'
import { compileOptions } from './guard-options.ts'
import type { GuardOptions } from './guard-options.ts'
import { compileGate, GuardRoutes } from './routes.ts'
import type { Gate } from './routes.ts'

/**
 * A request as it arrived: nothing of it is repaired or joined before the guard has seen it. One request is one object:
 * ask about it with the same one, and about another request with another.
 */
export type GuardRequest = {
  readonly method: string
  /** The target of the request line (`req.url` in node:http). */
  readonly target: string
  /** Names and values in turn (`req.rawHeaders`). */
  readonly rawHeaders: readonly string[]
  /** The connection (`req.socket`): only by it can a token that is bound to a client certificate pass. */
  readonly peer?: RequestPeer | undefined
}

/** The names that a guard's requirements may use, and what its callers' claims are. */
export type GuardTerms = {
  readonly role: string
  readonly scope: string
  readonly claims: SignedClaims
}

/** What may be asked of a guard with these terms. */
export type RequirementOf<Terms extends GuardTerms> = Requirement<Terms['role'], Terms['scope']>

/** The door of a service: a verifier and what its routes ask for. Made by {@link createGuard}. */
export type Guard<Terms extends GuardTerms = GuardTerms> = {
  /**
   * Decides about one request. A value when the issuer's keys are at hand, which is nearly always; a promise when they
   * must be fetched first.
   *
   * @throws Problem `keys-unavailable` when nothing can be decided: answer 503, see {@link Guard.answerProblem}.
   */
  check(
    request: GuardRequest,
    requirement: RequirementOf<Terms> | GuardRoutes<Terms['role'], Terms['scope']>,
  ): Decision<Terms['claims']> | Promise<Decision<Terms['claims']>>
  /** How a refusal looks in HTTP. */
  answer(decision: Decision & { readonly kind: 'deny' }, rawHeaders: readonly string[]): Challenge
  /** How a failure to decide looks in HTTP, whatever was thrown. */
  answerProblem(problem: unknown, rawHeaders: readonly string[]): Challenge
  /** Fetches the keys that are not at hand, so that the first request need not wait. @throws Problem `keys-unavailable` */
  warm(): Promise<void>
  /** Whether it has news of what is revoked, for a probe or a metric; asks nobody. Empty where it follows nothing itself. */
  health(): { readonly revocations: readonly RevocationHealth[] }
  /** In which adapters run what they let through, where the option was given. */
  readonly context?: AuthContext<Terms['claims']> | undefined
}

/**
 * Makes the guard of a service: whose tokens it takes, for which audience, and where they stand in a request. With a
 * service of the trust file (`countersign types`), or with names given as in `createGuard<'reader' | 'admin'>(…)`, a
 * misspelt role or scope does not compile.
 *
 * @throws Problem `option-invalid`, `option-unknown`.
 * @example
 * const guard = createGuard({ issuer: 'https://issuer.acme.example', audience: 'https://billing.acme.example' })
 * const decision = await guard.check({ method: 'GET', target: req.url, rawHeaders: req.rawHeaders }, { roles: 'reader' })
 */
export function createGuard<
  const Role extends string = string,
  const Scope extends string = string,
  Claims extends SignedClaims = SignedClaims,
>(options: GuardOptions<Role, Scope, Claims>): Guard<{ role: Role; scope: Scope; claims: Claims }> {
  // Only the compiler knows of names; and what a schema gives is of its type, or it is refused.
  return new VerifyingGuard(options) as Guard<GuardTerms> as Guard<{
    role: Role
    scope: Scope
    claims: Claims
  }>
}

class VerifyingGuard implements Guard {
  readonly context: AuthContext | undefined
  readonly #verifier: Verifier
  readonly #revocations: Revocations | undefined
  readonly #places: readonly TokenPlace[]
  readonly #callers: Callers
  readonly #realm: string
  readonly #resourceMetadata: string | undefined
  readonly #onDecision: ((event: DecisionEvent) => void) | undefined
  readonly #constraint: SenderConstraint | undefined
  readonly #clock: Clock
  readonly #requirements = new WeakMap<object, Asked>()
  readonly #constraintChecks = new WeakMap<
    GuardRequest,
    { readonly token: VerifiedToken; readonly result: ConstraintCheck | Promise<ConstraintCheck> }
  >()

  constructor(options: GuardOptions) {
    const { verifier, revocations, constraint, places, callers } = compileOptions(options)
    this.#clock = options.clock ?? systemClock
    this.#verifier = verifier
    this.#revocations = revocations
    this.#constraint = constraint
    this.#places = places
    this.#callers = callers
    this.context = options.context
    this.#realm = options.realm ?? 'countersign'
    this.#resourceMetadata = options.resourceMetadata
    this.#onDecision = options.onDecision
  }

  check(request: GuardRequest, requirement: Requirement | GuardRoutes): Decision | Promise<Decision> {
    const path = canonicalPath(request.target)
    if ('reason' in path) return this.#deny(path, request, nowhere, undefined)
    if (!(requirement instanceof GuardRoutes)) return this.#ask(request, this.#everywhere(requirement))
    const match = requirement.match(request.method, path)
    if (match.kind === 'route') return this.#ask(request, match)
    if (match.kind === 'route-unknown') return this.#deny(routeUnknown, request, nowhere, undefined)
    return { ...this.#deny(methodUnknown, request, nowhere, undefined), allow: match.allow }
  }

  answer(decision: Decision & { readonly kind: 'deny' }, rawHeaders: readonly string[]): Challenge {
    return challenge(decision.denial, {
      realm: this.#realm,
      scopes: decision.scopes,
      allow: decision.allow,
      wantsJson: prefersJson(acceptOf(rawHeaders)),
      ...(this.#resourceMetadata === undefined ? {} : { resourceMetadata: this.#resourceMetadata }),
      ...(this.#constraint === undefined ? {} : { dpop: this.#constraint.terms(this.#clock()) }),
    })
  }

  answerProblem(problem: unknown, rawHeaders: readonly string[]): Challenge {
    const known = isProblem(problem)
      ? problem
      : new Problem('internal', 'an unexpected failure', { cause: problem })
    return problemResponse(known, { wantsJson: prefersJson(acceptOf(rawHeaders)) })
  }

  warm(): Promise<void> {
    return this.#verifier.warm()
  }

  health(): { readonly revocations: readonly RevocationHealth[] } {
    return { revocations: this.#revocations?.health(this.#clock()) ?? [] }
  }

  #ask(request: GuardRequest, asked: Asked): Decision | Promise<Decision> {
    if (asked.route.isOpen) return this.#allow(undefined, request, asked, undefined)
    const token = extractToken(this.#places, request.rawHeaders)
    if (typeof token !== 'string') return this.#deny(token, request, asked, undefined)
    const nowMs = this.#clock()
    let verification: Verification | undefined
    try {
      verification = this.#verifier.verifyNow(token, nowMs)
    } catch (problem) {
      this.#reportOutage(problem, request, asked)
      throw problem
    }
    return verification === undefined
      ? this.#askLater(token, request, asked)
      : this.#judge(verification, token, request, asked, nowMs)
  }

  async #askLater(token: string, request: GuardRequest, asked: Asked): Promise<Decision> {
    let verification: Verification
    try {
      verification = await this.#verifier.verify(token)
    } catch (problem) {
      this.#reportOutage(problem, request, asked)
      throw problem
    }
    return this.#judge(verification, token, request, asked, this.#clock())
  }

  #judge(
    verification: Verification,
    text: string,
    request: GuardRequest,
    asked: Asked,
    nowMs: number,
  ): Decision | Promise<Decision> {
    if (verification.kind === 'denied') return this.#deny(verification.denial, request, asked, text)
    const { token } = verification
    if (this.#constraint === undefined) {
      // Asked here as well: a verifier that leaves the confirmation to its caller may be somebody else's.
      return token.confirmation === undefined
        ? this.#identify(token, text, request, asked, undefined)
        : this.#deny(unchecked, request, asked, token)
    }
    let result: ConstraintCheck | Promise<ConstraintCheck>
    try {
      result = this.#checkOnce(this.#constraint, request, token, text, nowMs)
    } catch (problem) {
      this.#reportOutage(problem, request, asked)
      throw problem
    }
    return isPending(result)
      ? this.#proveLater(result, token, text, request, asked)
      : this.#proven(result, token, text, request, asked)
  }

  /**
   * A proof counts once, so the second question about one request must not ask for it again: two guards in a row, or
   * the fields of one GraphQL query.
   */
  #checkOnce(
    constraint: SenderConstraint,
    request: GuardRequest,
    token: VerifiedToken,
    text: string,
    nowMs: number,
  ): ConstraintCheck | Promise<ConstraintCheck> {
    const earlier = this.#constraintChecks.get(request)
    if (earlier?.token === token) return earlier.result
    const result = constraint.check(request, token, text, nowMs)
    this.#constraintChecks.set(request, { token, result })
    return result
  }

  async #proveLater(
    pending: Promise<ConstraintCheck>,
    token: VerifiedToken,
    text: string,
    request: GuardRequest,
    asked: Asked,
  ): Promise<Decision> {
    let result: ConstraintCheck
    try {
      result = await pending
    } catch (problem) {
      this.#reportOutage(problem, request, asked)
      throw problem
    }
    return this.#proven(result, token, text, request, asked)
  }

  #proven(
    result: ConstraintCheck,
    token: VerifiedToken,
    text: string,
    request: GuardRequest,
    asked: Asked,
  ): Decision | Promise<Decision> {
    return result.kind === 'met'
      ? this.#identify(token, text, request, asked, result.nextNonce)
      : this.#deny(result.denial, request, asked, token)
  }

  #identify(
    token: VerifiedToken,
    text: string,
    request: GuardRequest,
    asked: Asked,
    nextNonce: string | undefined,
  ): Decision | Promise<Decision> {
    let caller: ReturnType<Callers['of']>
    try {
      caller = this.#callers.of(token, text)
    } catch (problem) {
      this.#reportOutage(problem, request, asked)
      throw problem
    }
    return isPending(caller)
      ? this.#identifyLater(caller, token, request, asked, nextNonce)
      : this.#authorize(caller, token, request, asked, nextNonce)
  }

  async #identifyLater(
    pending: Promise<Caller | Denial>,
    token: VerifiedToken,
    request: GuardRequest,
    asked: Asked,
    nextNonce: string | undefined,
  ): Promise<Decision> {
    let caller: Caller | Denial
    try {
      caller = await pending
    } catch (problem) {
      this.#reportOutage(problem, request, asked)
      throw problem
    }
    return this.#authorize(caller, token, request, asked, nextNonce)
  }

  #authorize(
    caller: Caller | Denial,
    token: VerifiedToken,
    request: GuardRequest,
    asked: Asked,
    nextNonce: string | undefined,
  ): Decision {
    if ('reason' in caller) return this.#deny(caller, request, asked, token)
    // Policies ask what the issuer signed: a claim that a schema leaves out is not absent.
    const denial = asked.route.denialOf(caller.principal)
    if (denial !== undefined) return this.#deny(denial, request, asked, token)
    const allowed = this.#allow(caller.auth, request, asked, token)
    return nextNonce === undefined ? allowed : { ...allowed, responseHeaders: { 'DPoP-Nonce': nextNonce } }
  }

  #allow(
    principal: Principal | undefined,
    { method }: GuardRequest,
    { route: { template }, params }: Asked,
    token: VerifiedToken | undefined,
  ): Decision & { readonly kind: 'allow' } {
    if (this.#onDecision !== undefined) {
      this.#report(decisionEvent(this.#clock(), method, template, undefined, token))
    }
    return { kind: 'allow', principal, route: template, params }
  }

  #deny(
    denial: Denial,
    { method }: GuardRequest,
    { route: { template, scopes } }: Asked,
    token: VerifiedToken | string | undefined,
  ): Decision & { readonly kind: 'deny' } {
    if (this.#onDecision !== undefined) {
      this.#report(decisionEvent(this.#clock(), method, template, denial, token))
    }
    return { kind: 'deny', denial, route: template, scopes, allow: nothing }
  }

  #reportOutage(problem: unknown, { method }: GuardRequest, { route: { template } }: Asked): void {
    if (this.#onDecision !== undefined) this.#report(outageEvent(this.#clock(), method, template, problem))
  }

  #report(event: DecisionEvent): void {
    try {
      this.#onDecision!(event)
    } catch {
      // Told in the option's description: the decision stands whether or not it could be written down.
    }
  }

  /** A requirement object is compiled when it is first seen; one written in place is compiled on every request. */
  #everywhere(requirement: Requirement): Asked {
    if (requirement === 'open') return openEverywhere
    if (requirement === 'authenticated') return authenticatedEverywhere
    const known = this.#requirements.get(requirement)
    if (known !== undefined) return known
    const asked = everywhere(requirement)
    this.#requirements.set(requirement, asked)
    return asked
  }
}

/** What is asked of a request: the part of a route's match that deciding needs. */
type Asked = { readonly route: Gate; readonly params: Readonly<Record<string, string>> }

/** All `Accept` headers as one list (RFC 9110 §5.3). */
function acceptOf(rawHeaders: readonly string[]): string | undefined {
  let accept: string | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]!.length !== 6 || rawHeaders[at]!.toLowerCase() !== 'accept') continue
    accept = accept === undefined ? rawHeaders[at + 1]! : `${accept},${rawHeaders[at + 1]!}`
  }
  return accept
}

const nothing: readonly string[] = Object.freeze([])
const noParams: Readonly<Record<string, string>> = Object.freeze({})
const everywhere = (requirement: Requirement): Asked => ({
  route: compileGate(requirement, 'requirement'),
  params: noParams,
})
const openEverywhere = everywhere('open')
const authenticatedEverywhere = everywhere('authenticated')
/** For requests that are refused before it is known what they ask for. */
const nowhere = authenticatedEverywhere
const routeUnknown = Object.freeze(deny('route-unknown', 'no route fits the path'))
const unchecked = Object.freeze(
  deny('proof-required', 'the token is bound to a key (cnf), and this guard has no senderConstraint'),
)
const methodUnknown = Object.freeze(deny('method-unknown', 'the path has no such method'))
