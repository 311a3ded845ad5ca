import { deny, isProblem, Problem } from '@countersign/sdk/core'
import type { Denial } from '@countersign/sdk/core'
import { canonicalPath, problemResponse } from '@countersign/sdk/policy'
import type { CanonicalPath } from '@countersign/sdk/policy'
import { plainAnswer, wantsJson } from '../front/answer.ts'
import type { Answer } from '../front/answer.ts'
import type { Original } from './authz-original.ts'
import { webSocketRefusal } from './authz-websocket.ts'
import type { Outcome } from '../decision/check.ts'
import { decide, locate } from '../decision/decide.ts'
import type { Asked } from '../decision/decide.ts'
import { decisionRecord } from '../decision/decision.ts'
import type { DecisionRecord } from '../decision/decision.ts'
import { identityNames } from '../decision/identity.ts'
import { refusalAnswer } from '../decision/refusal.ts'
import type { ReadyService } from '../decision/routes.ts'
import type { GatewayState } from '../gateway-state.ts'
import { overrideNames } from '../upstream/header-names.ts'
import { withoutPrefix } from '../upstream/upstream-target.ts'

/** What a decision endpoint answers, before it is put into the words of one proxy. */
export type Verdict =
  | {
      readonly kind: 'allow'
      /** What the service is to be told, by header; names in lower case. */
      readonly identity: ReadonlyMap<string, string>
      /** What must not reach the service from the client: identity headers that have no value of ours. */
      readonly absent: readonly string[]
      /** What the client is to be told in `DPoP-Nonce`. */
      readonly nextNonce?: string
      /** Whom the request goes to. */
      readonly service: string
      /** What the service is asked for: the path that was decided about, without its prefix, and the query. */
      readonly target: string
    }
  | { readonly kind: 'refuse'; readonly answer: Answer }

/**
 * Decides about a request that another proxy holds: by the same path, table and check as if it had come to us. Never
 * rejects; what cannot be decided is refused with 503.
 */
export async function judge(gateway: GatewayState, original: Original | Denial): Promise<Verdict> {
  const asked: Asked = {
    path: undefined,
    service: undefined,
    route: undefined,
    params: undefined,
    allow: undefined,
    ruled: undefined,
  }
  try {
    if ('reason' in original) return refuse(gateway, asked, undefined, original)
    const denial = find(gateway, asked, original)
    if (denial !== undefined) return refuse(gateway, asked, original, denial)
    const unfit = webSocketRefusal(asked.service!, asked.route!, original)
    if (unfit !== undefined) return refuse(gateway, asked, original, unfit)
    const { method, target, host, address, rawHeaders } = original
    asked.ruled = { method, hostName: host.name, address }
    const { token, result, reply, dryRun, nextNonce } = await decide(asked, rawHeaders, gateway.clock(), {
      method,
      target,
    })
    if ('reason' in result) return refuse(gateway, asked, original, result, token, reply)
    record(gateway, asked, original, dryRun === undefined ? { token } : { token, ...dryRun, dryRun: true })
    const verdict = allow(result.identity, asked.service!, asked.path!)
    return nextNonce === undefined ? verdict : { ...verdict, nextNonce }
  } catch (error) {
    return cannotDecide(gateway, asked, original, error)
  }
}

/** What the request gate sees in a request of our own, and a proxy may have let through. */
function find(gateway: GatewayState, asked: Asked, original: Original): Denial | undefined {
  const { method, target, host, rawHeaders } = original
  if (countOf(rawHeaders, 'authorization') > 1) return repeatedAuthorization
  // We would take it out. The proxy may pass it on, and the service do what nobody was asked about.
  if (overrideNames.some((name) => countOf(rawHeaders, name) > 0)) return overridden
  const path = canonicalPath(target)
  if ('reason' in path) return path
  asked.path = path
  return locate(asked, gateway.routing, method, host.name)
}

function allow(
  lines: string,
  { name: service, passing, prefixSegments }: ReadyService,
  { path, query }: CanonicalPath,
): Verdict & { kind: 'allow' } {
  const identity = new Map<string, string>()
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(': ')
    if (colon !== -1) identity.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 2))
  }
  const names = [...identityNames, ...overrideNames, ...(passing?.filled ?? []), ...(passing?.removed ?? [])]
  const absent = names.filter((name) => !identity.has(name))
  return { kind: 'allow', identity, absent, service, target: withoutPrefix(path, prefixSegments) + query }
}

function refuse(
  gateway: GatewayState,
  asked: Asked,
  original: Original | undefined,
  denial: Denial,
  token?: Outcome['token'],
  reply?: Outcome['reply'],
): Verdict {
  const { realm, clock } = gateway
  const rawHeaders = original?.rawHeaders ?? []
  const answer = refusalAnswer(denial, asked, realm, rawHeaders, clock(), reply)
  record(gateway, asked, original, {
    token,
    reason: denial.reason,
    detail: denial.detail,
    status: answer.status,
  })
  return { kind: 'refuse', answer }
}

function cannotDecide(
  gateway: GatewayState,
  asked: Asked,
  original: Original | Denial,
  error: unknown,
): Verdict {
  const request = 'reason' in original ? undefined : original
  const json = request !== undefined && wantsJson(request.rawHeaders)
  if (!isProblem(error)) {
    const { message } = new Problem('internal', 'a defect in the gateway', { cause: error })
    const stack = error instanceof Error ? error.stack : undefined
    gateway.log.error('request failed', { problem: message, stack })
    return { kind: 'refuse', answer: plainAnswer(503, json, { 'Retry-After': '1' }) }
  }
  record(gateway, asked, request, { reason: 'keys-unavailable', detail: error.message, status: 503 })
  return { kind: 'refuse', answer: problemResponse(error, { wantsJson: json }) }
}

function record(
  { onDecision, observer }: GatewayState,
  { path, service, route }: Asked,
  original: Original | undefined,
  known: Partial<DecisionRecord> & { readonly token?: Outcome['token'] },
): void {
  const isAllowed = known.reason === undefined || known.dryRun === true
  observer?.judged(
    { service, route },
    isAllowed ? 200 : (known.status ?? 503),
    isAllowed ? 'allowed' : known.reason,
  )
  onDecision?.(
    decisionRecord({
      method: original?.method,
      path: path?.path,
      service,
      route,
      token: known.token,
      reason: known.reason,
      detail: known.detail,
      status: known.status,
      ...(known.dryRun === undefined ? {} : { dryRun: true }),
    }),
  )
}

function countOf(rawHeaders: readonly string[], lowerName: string): number {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() === lowerName) count += 1
  }
  return count
}

const repeatedAuthorization = Object.freeze(deny('token-repeated', 'two Authorization headers'))
const overridden = Object.freeze(
  deny('request-malformed', 'a header that asks the service for another method or path'),
)
