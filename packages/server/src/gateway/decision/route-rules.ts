import { isProblem, Problem } from '@countersign/sdk/core'
import type { VerifiedToken } from '@countersign/sdk/jwt'
import { addressKey } from '../../net/address.ts'
import { createTokenBuckets } from '../../token-bucket.ts'
import { compileCondition } from '../../trust/condition.ts'
import type { Condition, ConditionFacts } from '../../trust/condition.ts'
import type { RateLimit, Route } from '../../trust/trust.ts'
import type { Outcome } from './check.ts'
import type { Asked } from './decide.ts'
import { conditionFacts } from './condition-facts.ts'

/** What a route asks for beyond a policy. Most have nothing of it, and pay nothing for it. */
export type RouteRules = {
  readonly condition: Condition | undefined
  readonly limits: readonly Limit[]
  readonly dryRun: boolean
}

/** One rate, and how much of it each caller has used. */
export type Limit = {
  readonly rate: RateLimit
  /** By client or subject, once a token was good. */
  readonly callers: Buckets
  /** By address where nobody is asked who they are. Apart, so that strangers cannot crowd out those who are known. */
  readonly addresses: Buckets
}

/** As `TokenBuckets`; a promise where they are kept in another process. */
export type Buckets = { spend(key: string, nowMs: number): number | Promise<number> }

/** @param name the same for the same limit in every process of this gateway, and for no other one */
export type CreateBuckets = (name: string, rate: RateLimit) => Buckets

/** @param where the service or route that has the limit */
export function createLimit(
  rate: RateLimit,
  where: string,
  create: CreateBuckets = (_name, its) => createTokenBuckets(its),
): Limit {
  return {
    rate,
    callers: create(`callers ${where}`, rate),
    addresses: create(`addresses ${where}`, rate),
  }
}

/** @param ofService the limit all routes of the service share */
export function compileRules(
  { limit, when, dryRun = false, method, template }: Route,
  service: string,
  ofService: Limit | undefined,
  create?: CreateBuckets,
): RouteRules | undefined {
  if (limit === undefined && when === undefined && !dryRun && ofService === undefined) return undefined
  const limits = limit === undefined ? [] : [createLimit(limit, `${service} ${method} ${template}`, create)]
  if (ofService !== undefined) limits.push(ofService)
  return { condition: when === undefined ? undefined : condition(when), limits, dryRun }
}

/** @param address the client's, as far as it is known */
export function applyRules(
  rules: RouteRules,
  asked: Asked,
  request: RuledRequest,
  outcome: Outcome | Promise<Outcome>,
  nowMs: number,
): Outcome | Promise<Outcome> {
  const result =
    outcome instanceof Promise
      ? outcome.then((fetched) => ruled(rules, asked, request, fetched, nowMs))
      : ruled(rules, asked, request, outcome, nowMs)
  return rules.dryRun && result instanceof Promise ? result.catch(withoutKeys) : result
}

/** What of a request the rules look at. */
export type RuledRequest = {
  readonly method: string
  readonly hostName: string | undefined
  readonly address: string
}

function ruled(
  rules: RouteRules,
  asked: Asked,
  request: RuledRequest,
  checked: Outcome,
  nowMs: number,
): Outcome | Promise<Outcome> {
  const settle = (outcome: Outcome): Outcome =>
    rules.dryRun && 'reason' in outcome.result ? letPass(asked, outcome, outcome.result) : outcome
  const outcome = afterCondition(rules, asked, request, checked)
  if ('reason' in outcome.result) return settle(outcome)
  const limited = afterLimits(rules, request, outcome, nowMs)
  return limited instanceof Promise ? limited.then(settle) : settle(limited)
}

/** An error in a condition is a no: what cannot be answered was not answered with yes. */
function afterCondition(
  { condition }: RouteRules,
  asked: Asked,
  { method, hostName }: RuledRequest,
  outcome: Outcome,
): Outcome {
  if (condition === undefined || 'reason' in outcome.result) return outcome
  const facts: ConditionFacts = conditionFacts(asked, method, hostName, outcome.result.principal)
  let detail = 'the condition does not hold'
  try {
    if (condition.holds(facts)) return outcome
  } catch (error) {
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : ''
    detail = `the condition cannot be answered: ${why}`
  }
  return { token: outcome.token, result: { reason: 'claim-refused', detail } }
}

/** All that are asked are paid, as if each stood alone; the longest wait is told. */
function afterLimits(
  { limits }: RouteRules,
  { address }: RuledRequest,
  outcome: Outcome,
  nowMs: number,
): Outcome | Promise<Outcome> {
  const { token } = outcome
  const waits = limits.map(({ callers, addresses }) =>
    token === undefined
      ? addresses.spend(addressKey(address), nowMs)
      : callers.spend(callerKey(token), nowMs),
  )
  const isHere = (wait: number | Promise<number>): wait is number => typeof wait === 'number'
  if (waits.every(isHere)) return afterWaits(limits, waits, outcome)
  return Promise.all(waits).then((told) => afterWaits(limits, told, outcome))
}

/** A subject that is called as a client is must not use up what is that client's. */
function callerKey({ issuer, clientId, subject = '' }: VerifiedToken): string {
  return clientId === undefined ? `subject ${issuer} ${subject}` : `client ${issuer} ${clientId}`
}

/** @param waits as `TokenBuckets.spend` */
function afterWaits(limits: readonly Limit[], waits: readonly number[], outcome: Outcome): Outcome {
  if (limits.length === 0) return outcome
  let tightest = 0
  for (let index = 1; index < limits.length; index++) {
    if (leftIn(limits[index]!.rate, waits[index]!) < leftIn(limits[tightest]!.rate, waits[tightest]!)) {
      tightest = index
    }
  }
  const { rate } = limits[tightest]!
  const waitMs = waits[tightest]!
  const { burst, perSecond } = rate
  const windowSeconds = Math.round(burst / perSecond)
  const seconds = Math.ceil(Math.abs(waitMs) / 1000)
  const left = Math.max(0, Math.floor(leftIn(rate, waitMs)))
  // draft-ietf-httpapi-ratelimit-headers-10
  const reply = {
    'RateLimit-Policy': `"caller";q=${burst};w=${windowSeconds}`,
    RateLimit: `"caller";r=${left};t=${seconds}`,
  }
  if (waitMs <= 0) return { ...outcome, reply }
  return {
    token: outcome.token,
    result: { reason: 'rate-exceeded', detail: `more than ${burst} in ${windowSeconds} s` },
    reply: { 'Retry-After': `${seconds}`, ...reply },
  }
}

/** How many more there may be at once; the further below 0, the longer the wait for one. */
function leftIn({ burst, perSecond }: RateLimit, waitMs: number): number {
  const perMs = perSecond / 1000
  // A thousandth too little is a matter of fractions.
  return waitMs > 0 ? -waitMs : burst + waitMs * perMs + 0.001
}

/** Identity is told only if the token was good and its sender's own, whatever the policy thinks of it. */
function letPass(
  { service }: Asked,
  { token }: Outcome,
  { reason, detail }: NonNullable<Outcome['dryRun']>,
): Outcome {
  const isTheirs = token !== undefined && policyReasons.has(reason)
  const known = isTheirs ? service!.facts.allowanceOf(token) : undefined
  const result = known === undefined || 'reason' in known ? nobody : known
  return { token, result, dryRun: { reason, detail } }
}

function withoutKeys(error: unknown): Outcome {
  if (!isProblem(error)) throw error
  return {
    token: undefined,
    result: nobody,
    dryRun: { reason: 'keys-unavailable', detail: error.message },
  }
}

/** The reader of the trust file has done so already, and said where the mistakes are. */
function condition(text: string): Condition {
  const compiled = compileCondition(text)
  if ('holds' in compiled) return compiled
  throw new Problem('trust-unusable', `when: ${text}: ${compiled.message}`, {
    next: 'run countersign check on the trust file',
  })
}

/** Refusals of somebody who is known. */
const policyReasons: ReadonlySet<string> = new Set([
  'scope-missing',
  'role-missing',
  'claim-refused',
  'rate-exceeded',
])
const nobody = Object.freeze({ principal: undefined, identity: '' })
