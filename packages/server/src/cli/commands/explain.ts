import { deny, Problem } from '@countersign/sdk/core'
import type { Denial } from '@countersign/sdk/core'
import { canonicalPath, denialWire } from '@countersign/sdk/policy'
import type { Explanation, Principal, Requirement } from '@countersign/sdk/policy'
import { conditionFacts } from '../../gateway/decision/condition-facts.ts'
import { compileCondition } from '../../trust/condition.ts'
import {
  conditionCheck,
  explainClients,
  explainRoute,
  findPlace,
  requirementText,
} from '../../trust/explain.ts'
import type { Answer, ClientAnswer, Place } from '../../trust/explain.ts'
import type { Trust } from '../../trust/trust.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { loadTrust } from '../find-trust.ts'
import { serviceNamed } from '../service-choice.ts'
import type { Terminal } from '../terminal.ts'
import { readToken } from '../token-input.ts'
import { verifyForService } from '../verify-for-service.ts'

type Options = { readonly token?: string; readonly host?: string; readonly service?: string }

/**
 * Says which service and route a request reaches, what that takes, and what becomes of it: for one token, or for each
 * client of the trust file.
 *
 * JSON: `{ "request", "file", "service", "route", "line", "forwarded", "decision": "allow" | "deny" | "depends", "status",
 * "reason", "detail", "checks": […], "clients": […] }`.
 */
export async function run(
  context: Context,
  { token, host, service: name }: Options,
  method: string,
  target: string,
): Promise<number> {
  const verb = method.toUpperCase()
  if (!target.startsWith('/')) {
    throw new Problem('usage', `expected a path that starts with /, got ${JSON.stringify(target)}`, {
      next: 'for example `countersign explain GET /billing/invoices/7`',
    })
  }
  const { trust, file } = await loadTrust(context, token === undefined ? 'none' : 'gateway')
  const service = name === undefined ? undefined : serviceNamed(trust, name, file.name)
  const place = findPlace(trust, { method: verb, target, host: host?.toLowerCase(), service })
  const asked = { verb, target, host: host?.toLowerCase() }
  const said =
    place.kind === 'refused' ? refusedPlace(place) : await decide(trust, place, asked, token, context)
  const found: Explained = { request: `${verb} ${target}`, file: file.name, ...placeFacts(place), ...said }
  if (context.json) context.terminal.print(JSON.stringify(found, null, 2))
  else {
    printExplained(found, context.terminal)
    const near = place.kind === 'refused' ? whatThereIs(place, trust) : undefined
    if (near !== undefined) context.terminal.say(`  next: ${near}`)
  }
  return found.decision === 'deny' ? exitCodes.denied : exitCodes.ok
}

/** Most paths that lead nowhere are misspelt. */
function whatThereIs({ denial, service }: Place & { kind: 'refused' }, trust: Trust): string | undefined {
  if (denial.reason === 'service-unknown') {
    const places = [...trust.services.values()].flatMap(({ at, host }) => at ?? host ?? [])
    return places.length === 0 ? undefined : `services are at ${listed(places)}`
  }
  if (service === undefined) return undefined
  return `routes of ${service.name}: ${listed(service.routes.map(({ method, template }) => `${method} ${template}`))}`
}

function listed(words: readonly string[]): string {
  return words.length <= 12
    ? words.join(', ')
    : `${words.slice(0, 12).join(', ')} and ${words.length - 12} more`
}

type Explained = PlaceFacts & Said & { readonly request: string; readonly file: string }
type PlaceFacts = {
  readonly service: string | null
  readonly route: string | null
  readonly line: number | null
  readonly asks: Requirement | null
  readonly forwarded: string | null
  /** Where it may go instead, when the service has several targets. */
  readonly alternatives?: readonly string[]
  /** Decides, and lets everybody through. */
  readonly dryRun: boolean
}
type Said = {
  readonly decision: 'allow' | 'deny' | 'depends'
  readonly status: number | null
  readonly reason: Denial['reason'] | null
  readonly detail: string | null
  readonly caller: string | null
  readonly checks: readonly Explanation[]
  readonly clients: readonly ClientAnswer[]
}

async function decide(
  trust: Trust,
  place: Place & { kind: 'route' },
  asked: Asked,
  token: string | undefined,
  context: Context,
): Promise<Said> {
  const { service, route } = place
  if (route.requirement === 'open' && route.when === undefined) return { ...undecided, decision: 'allow' }
  if (route.requirement === 'open') return answered(withCondition(openAnswer, place, asked, undefined))
  if (token === undefined) return { ...undecided, clients: explainClients(trust, service, route) }
  const verified = await verifyForService(await readToken(token, context), service, trust)
  if (verified.kind === 'denied') return denied(verified.denial)
  const { principal } = verified
  const answer = answered(withCondition(explainRoute(route, principal), place, asked, principal))
  return {
    ...(verified.isBound ? withSender(answer) : answer),
    caller: principal.clientId ?? principal.subject ?? 'somebody without a name',
  }
}

/** Whether it comes from the client it is bound to only a request can show. */
function withSender(said: Said): Said {
  const text = 'sent by the client that the token is bound to, with a DPoP proof or its certificate'
  const checks: readonly Explanation[] = [{ text, verdict: 'unknown', parts: [] }, ...said.checks]
  return { ...said, checks, decision: said.decision === 'allow' ? 'depends' : said.decision }
}

type Asked = { readonly verb: string; readonly target: string; readonly host: string | undefined }

/** The route's condition in CEL, asked as the gateway asks it: after the policy, and an error is no. */
function withCondition(
  answer: Answer,
  { route, params }: Place & { kind: 'route' },
  { verb, target, host }: Asked,
  principal: Principal | undefined,
): Answer {
  const path = canonicalPath(target)
  if (route.when === undefined || 'reason' in path) return answer
  if (answer.denial !== undefined) {
    return { ...answer, checks: [...answer.checks, conditionCheck(route.when, 'unknown')] }
  }
  const condition = compileCondition(route.when)
  let holds = false
  try {
    holds = 'holds' in condition && condition.holds(conditionFacts({ path, params }, verb, host, principal))
  } catch {
    // The gateway says no as well, and why in its log.
  }
  const checks = [...answer.checks, conditionCheck(route.when, holds ? 'holds' : 'fails')]
  if (holds) return { ...answer, checks }
  return { outcome: 'deny', denial: deny('claim-refused', 'the condition does not hold'), checks }
}

function answered({ outcome, denial, checks }: Answer): Said {
  return { ...(denial === undefined ? { ...undecided, decision: outcome } : denied(denial)), checks }
}

function refusedPlace({ denial }: Place & { kind: 'refused' }): Said {
  return denied(denial)
}

function denied({ reason, detail }: Denial): Said {
  return { ...undecided, decision: 'deny', status: denialWire[reason].status, reason, detail }
}

const openAnswer: Answer = { outcome: 'allow', denial: undefined, checks: [] }
const undecided: Said = {
  decision: 'depends',
  status: null,
  reason: null,
  detail: null,
  caller: null,
  checks: [],
  clients: [],
}

function placeFacts(place: Place): PlaceFacts {
  if (place.kind === 'refused') {
    return {
      service: place.service?.name ?? null,
      route: null,
      line: null,
      asks: null,
      forwarded: null,
      dryRun: false,
    }
  }
  const { service, route, forwardedPath } = place
  const { method, template, requirement, line, dryRun = false } = route
  const others = service.upstreamSettings?.targets.slice(1) ?? []
  return {
    service: service.name,
    route: `${method} ${template}`,
    line,
    asks: requirement,
    forwarded: service.upstream === undefined ? null : `${service.upstream}${forwardedPath}`,
    ...(others.length === 0 ? {} : { alternatives: others.map((url) => `${url}${forwardedPath}`) }),
    dryRun,
  }
}

function printExplained(found: Explained, terminal: Terminal): void {
  const { paint, print } = terminal
  const row = (name: string, text: string): void => print(`${name.padEnd(10)} ${text}`)
  row('request', found.request)
  if (found.service !== null) row('service', found.service)
  if (found.route !== null) row('route', `${found.route} (${found.file}:${found.line})`)
  if (found.asks !== null) row('asks for', requirementText(found.asks))
  if (found.forwarded !== null) row('goes to', found.forwarded)
  for (const url of found.alternatives ?? []) row('or to', url)
  if (found.caller !== null) row('caller', found.caller)
  for (const check of found.checks) printCheck(check, terminal, 0)
  for (const { client, outcome, checks } of found.clients) {
    const why = checks.filter(({ verdict }) => verdict !== 'holds').map(({ text }) => text)
    const words = {
      allow: 'allowed',
      deny: `denied, lacks ${why.join(', ')}`,
      depends: `depends on ${why.join(', ')}`,
    }
    row('client', `${client}: ${paint(outcomeStyles[outcome], words[outcome])}`)
  }
  const detail = found.detail === null ? '' : `: ${found.status} ${found.reason}, ${found.detail}`
  const word = { allow: 'allow', deny: 'deny', depends: 'depends on the caller' }[found.decision]
  if (found.dryRun) row('dry run', paint('unsure', 'only written down: everybody is let through'))
  row('decision', `${paint(outcomeStyles[found.decision], word)}${detail}`)
}

function printCheck({ text, verdict, parts }: Explanation, terminal: Terminal, depth: number): void {
  const style = { holds: 'good', fails: 'bad', unknown: 'unsure' } as const
  terminal.print(
    `${'check'.padEnd(10)} ${'  '.repeat(depth)}${terminal.paint(style[verdict], verdict)} ${text}`,
  )
  for (const part of parts) printCheck(part, terminal, depth + 1)
}

const outcomeStyles = { allow: 'good', deny: 'bad', depends: 'unsure' } as const
