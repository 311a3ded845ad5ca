import type { Denial } from '@countersign/sdk/core'
import { deny } from '@countersign/sdk/core'
import { canonicalPath, compilePolicy, createRouteTable, explainPolicy } from '@countersign/sdk/policy'
import type { CanonicalPath, Explanation, Principal, Requirement } from '@countersign/sdk/policy'
import type { Client, Route, Service, Trust } from './trust.ts'

/** A request as one would type it: `GET /billing/invoices/7`. */
export type Question = {
  readonly method: string
  /** The request target at the gateway, with its query if it has one. */
  readonly target: string
  /** The host name asked for, lower case and without port; for services that are found by host. */
  readonly host?: string | undefined
  /** Asked of this service itself, without a gateway before it. */
  readonly service?: Service | undefined
}

/** Which service and route a request would reach, before anybody is asked who calls. */
export type Place =
  | {
      readonly kind: 'route'
      readonly service: Service
      readonly route: Route
      readonly params: Readonly<Record<string, string>>
      /** What the upstream is asked for, with the query. */
      readonly forwardedPath: string
    }
  | {
      readonly kind: 'refused'
      readonly service: Service | undefined
      readonly denial: Denial
      readonly allow?: readonly string[]
    }

/**
 * Finds the service and the route of a request, by the rules the gateway works by: host first, then the longest `at`,
 * then the route table.
 *
 * @example
 * const place = findPlace(trust, { method: 'GET', target: '/billing/invoices/7' })
 * if (place.kind === 'route') console.log(place.service.name, place.route.line)
 */
export function findPlace(trust: Trust, { method, target, host, service: asked }: Question): Place {
  const path = canonicalPath(target)
  if ('reason' in path) return { kind: 'refused', service: undefined, denial: path }
  const found = asked === undefined ? findService(trust, path, host) : { service: asked, prefixSegments: 0 }
  if (found === undefined)
    return refused('service-unknown', 'no service of the trust file is at this path or host')
  const { service, prefixSegments } = found
  const match = createRouteTable(service.routes).match(method, path, prefixSegments)
  switch (match.kind) {
    case 'route-unknown':
      return refused('route-unknown', `${service.name} has no route for this path`, service)
    case 'method-unknown':
      return {
        ...refused(
          'method-unknown',
          `${service.name} has routes for this path, but not for ${method}`,
          service,
        ),
        allow: match.allow,
      }
    case 'route': {
      const rest = path.path
        .split('/')
        .slice(1 + prefixSegments)
        .join('/')
      return {
        kind: 'route',
        service,
        route: match.route,
        params: match.params,
        forwardedPath: `/${rest}${path.query}`,
      }
    }
  }
}

/** How a caller fares at a route. */
export type Answer = {
  readonly outcome: 'allow' | 'deny'
  readonly denial: Denial | undefined
  /** Each thing that is asked for; empty for `open` and `authenticated`. */
  readonly checks: readonly Explanation[]
}

/** What the route says to this principal: decided by the same policy that gateway and guard decide by. */
export function explainRoute(route: Route, principal: Principal): Answer {
  const denial = compilePolicy(route.requirement)(principal)
  const checks = explainPolicy(route.requirement, principal)
  return { outcome: denial === undefined ? 'allow' : 'deny', denial, checks }
}

/** What the trust file itself says about each client and a route. */
export type ClientAnswer = {
  readonly client: string
  /** With all the roles and scopes it may have. `depends`: a claim decides that the trust file does not know. */
  readonly outcome: 'allow' | 'deny' | 'depends'
  readonly checks: readonly Explanation[]
}

/**
 * Which clients could call a route with everything they are granted. Clients without a grant for the service cannot get
 * a token for it at all.
 */
export function explainClients(trust: Trust, service: Service, route: Route): ClientAnswer[] {
  if (!service.acceptsOwn) return []
  return [...trust.clients.values()].flatMap((client) => {
    const principal = grantedPrincipal(trust, client, service)
    if (principal === undefined) return []
    const { outcome, checks } = explainRoute(route, principal)
    const depends = outcome === 'deny' ? onlyClaimsMissing(route, principal) : route.when !== undefined
    const all = route.when === undefined ? checks : [...checks, conditionCheck(route.when, 'unknown')]
    return [{ client: client.id, outcome: depends ? 'depends' : outcome, checks: all }]
  })
}

/** A condition among the checks. It is marked, because other proxies cannot be given it. */
export function conditionCheck(when: string, verdict: Explanation['verdict']): Explanation {
  return { text: `when ${when} (CEL, not portable)`, verdict, parts: [] }
}

/**
 * What a route takes, in one line.
 *
 * @example
 * requirementText({ roles: 'admin', scopes: 'write' }) // 'scope "write", role "admin"'
 */
export function requirementText(requirement: Requirement): string {
  if (requirement === 'open') return 'nothing: it is open to anybody'
  if (requirement === 'authenticated') return 'any valid token for the service'
  return explainPolicy(requirement, nobody)
    .map(({ text }) => text)
    .join(', ')
}

function grantedPrincipal(trust: Trust, client: Client, service: Service): Principal | undefined {
  const grants = client.may.filter((grant) => grant.service === service.name)
  if (grants.length === 0) return undefined
  return {
    ...nobody,
    issuer: trust.issuer?.url ?? '',
    subject: client.id,
    clientId: client.id,
    scopes: new Set(grants.flatMap(({ scopes }) => scopes)),
    roles: new Set(grants.flatMap(({ roles }) => roles)),
  }
}

/**
 * The grant says everything about roles and scopes and nothing about claims. Having none at all counts as unknown in a
 * policy, since a token may keep them elsewhere; here it is known, so a name that no role can have stands for none.
 */
function onlyClaimsMissing(route: Route, principal: Principal): boolean {
  const noName = ' '
  const known = {
    ...principal,
    roles: new Set([...principal.roles, noName]),
    scopes: new Set([...principal.scopes, noName]),
  }
  const { checks } = explainRoute(route, known)
  return usesClaims(route.requirement) && checks.every(({ verdict }) => verdict !== 'fails')
}

/** Whether anything but roles and scopes is asked about, at any depth. */
function usesClaims(requirement: Route['requirement']): boolean {
  if (typeof requirement === 'string') return false
  const { claims, anyOf = [], allOf = [], not } = requirement
  return claims !== undefined || [...anyOf, ...allOf, ...(not === undefined ? [] : [not])].some(usesClaims)
}

function findService(
  trust: Trust,
  { segments }: CanonicalPath,
  host: string | undefined,
): { service: Service; prefixSegments: number } | undefined {
  const services = [...trust.services.values()].filter(({ upstream }) => upstream !== undefined)
  const byHost = services.find((service) => service.host !== undefined && service.host === host)
  if (byHost !== undefined) return { service: byHost, prefixSegments: 0 }
  let best: { service: Service; prefixSegments: number } | undefined
  for (const service of services) {
    if (service.at === undefined) continue
    const prefix = service.at === '/' ? [] : service.at.slice(1).split('/')
    if (best !== undefined && prefix.length <= best.prefixSegments) continue
    if (prefix.every((segment, index) => segments[index] === segment))
      best = { service, prefixSegments: prefix.length }
  }
  return best
}

function refused(reason: Denial['reason'], detail: string, service?: Service): Place & { kind: 'refused' } {
  return { kind: 'refused', service, denial: deny(reason, detail) }
}

const nobody: Principal = {
  kind: 'client',
  issuer: '',
  subject: undefined,
  clientId: undefined,
  actor: undefined,
  scopes: new Set(),
  roles: new Set(),
  tokenId: undefined,
  expiresAtSeconds: 0,
  claims: {},
}
