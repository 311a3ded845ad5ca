import { Problem } from '@countersign/sdk/core'
import type { Clock, Denial } from '@countersign/sdk/core'
import { createDpopChecker, createVerifier } from '@countersign/sdk/jwt'
import type { DpopChecker, Verifier } from '@countersign/sdk/jwt'
import {
  canonicalPath,
  compilePolicy,
  createRouteTable,
  dpopPlace,
  requiredScopes,
} from '@countersign/sdk/policy'
import type { CanonicalPath, Principal, RouteTable, TokenPlace } from '@countersign/sdk/policy'
import type { KeySets, OwnIssuer } from './key-sets.ts'
import { compileExchange } from '../upstream/exchange.ts'
import type { Exchange } from '../upstream/exchange.ts'
import { compilePassing } from '../upstream/passed-headers.ts'
import type { Passing } from '../upstream/passed-headers.ts'
import { resourceMetadata } from './resource-metadata.ts'
import type { ResourceMetadata } from './resource-metadata.ts'
import { compileRules, createLimit } from './route-rules.ts'
import type { CreateBuckets, Limit, RouteRules } from './route-rules.ts'
import type { CorsSettings, Route, Service, Trust } from '../../trust/trust.ts'
import { shareOf } from '../share.ts'
import { createSenderCheck } from './sender.ts'
import type { SenderCheck } from './sender.ts'
import { TokenFacts } from './token-facts.ts'
import type { TunnelRule } from '../upstream/tunnel.ts'
import type { UpstreamPool } from '../upstream/upstream-pool.ts'

/** A trust file made ready for requests. */
export type Routing = {
  /**
   * The service a request is for: by its host, else by the longest `at` that its path begins with, segment by segment.
   * A host that belongs to a service belongs to it alone.
   */
  find(hostName: string | undefined, path: CanonicalPath): ReadyService | undefined
  readonly services: readonly ReadyService[]
}

export type ReadyService = {
  readonly name: string
  readonly realm: string
  readonly upstream: UpstreamPool
  /** Routes that may become WebSockets, by name; undefined: none. */
  readonly websocket:
    (TunnelRule & { readonly routes: ReadonlySet<string>; readonly outlivesToken: boolean }) | undefined
  /** How many leading segments of a path name the service and are taken off. */
  readonly prefixSegments: number
  readonly table: RouteTable<ReadyRoute>
  readonly tokenFrom: readonly TokenPlace[]
  /** Those of them that the request gate knows nothing of. */
  readonly ownPlaces: readonly TokenPlace[]
  /** Undefined when all routes are open. */
  readonly verifier: Verifier | undefined
  /** Undefined where no bound token is taken. */
  readonly senderCheck: SenderCheck | undefined
  readonly facts: TokenFacts
  /** Undefined: any length. */
  readonly bodyLimitBytes: number | undefined
  readonly cors: CorsSettings | undefined
  /** Undefined: all the client sent is passed on that may be. */
  readonly passing: Passing | undefined
  /** Undefined: the service gets the caller’s own token, or none. */
  readonly exchange: Exchange | undefined
  readonly host: string | undefined
  readonly metadata: ResourceMetadata | undefined
}

export type ReadyRoute = {
  readonly method: string
  readonly template: string
  /** As in the trust file: `GET /invoices/{id}`. */
  readonly name: string
  readonly line: number
  /** Nothing is asked for, not even a token. */
  readonly open: boolean
  readonly denialOf: (principal: Principal) => Denial | undefined
  readonly scopes: readonly string[]
  /** Limits, a condition, a dry run; undefined: none of it. */
  readonly rules: RouteRules | undefined
}

/**
 * Compiles the services of a trust file that the gateway stands before.
 *
 * @throws Problem `trust-unusable` where the file cannot be put to work, such as a route that asks for a token when no
 *   issuer is accepted
 */
export function compileRoutes(trust: Trust, parts: RoutingParts): Routing {
  const byHost = new Map<string, ReadyService>()
  const byPrefix = new Map<string, ReadyService>()
  let longestPrefix = 0
  const services: ReadyService[] = []
  const served = [...trust.services.values()].filter(({ at, host, upstream }) => upstream && (at ?? host))
  const cacheEntries = Math.max(1_000, Math.floor(parts.rememberedTokens / served.length))
  for (const service of served) {
    const prefix = service.at === undefined ? [] : readPrefix(service)
    const ready = compileService(service, prefix.length, cacheEntries, trust, parts)
    services.push(ready)
    const [places, place] =
      service.host === undefined ? ([byPrefix, prefix.join('/')] as const) : ([byHost, service.host] as const)
    if (places.has(place)) {
      throw unusable(service, `stands at the same place as ${places.get(place)!.name}`)
    }
    places.set(place, ready)
    longestPrefix = Math.max(longestPrefix, prefix.length)
  }
  return {
    services,
    find(hostName, { segments }) {
      if (byHost.size > 0 && hostName !== undefined) {
        const service = byHost.get(hostName)
        if (service !== undefined) return service
      }
      for (let count = Math.min(longestPrefix, segments.length); count > 0; count--) {
        const key = count === 1 ? segments[0]! : segments.slice(0, count).join('/')
        const service = byPrefix.get(key)
        if (service !== undefined) return service
      }
      return byPrefix.get('')
    },
  }
}

/** What compiling needs beside the file; kept over a reload. */
export type RoutingParts = {
  readonly realm: string
  readonly ownIssuer: OwnIssuer | undefined
  readonly keySets: KeySets
  readonly clock: Clock
  readonly rememberedTokens: number
  /** Checks DPoP proofs, and remembers which were used. */
  readonly proofs?: DpopChecker
  /** Where limits are counted; here, unless given. */
  readonly buckets?: CreateBuckets
  /** How many processes share what a service allows; one unless given. */
  readonly processes?: number
  poolFor(service: Service): UpstreamPool
}

function compileService(
  service: Service,
  prefixSegments: number,
  cacheEntries: number,
  trust: Trust,
  parts: RoutingParts,
): ReadyService {
  const { name } = service
  const limit = service.limit && createLimit(service.limit, name, parts.buckets)
  const senderCheck = createSenderCheck(service, trust, parts.proofs ?? createDpopChecker())
  const takesDpop = senderCheck !== undefined && service.tokenFrom.some(({ kind }) => kind === 'bearer')
  const tokenFrom: readonly TokenPlace[] = takesDpop ? [...service.tokenFrom, dpopPlace] : service.tokenFrom
  const routes = service.routes.map((route) => compileRoute(route, name, limit, parts.buckets))
  const issuers = parts.keySets.issuersOf(service, trust, parts.ownIssuer)
  const revocations = parts.keySets.revocationsOf(service, trust, parts.ownIssuer)
  const guarded = routes.find(({ open }) => !open)
  if (guarded !== undefined && issuers.length === 0) {
    throw unusable(service, `${guarded.name} asks for a token, and no issuer's tokens are accepted`)
  }
  const rolesOf = new Map<string, string | undefined>()
  for (const accepted of service.accepts) {
    const { issuer, roles } = trust.trusted.get(accepted)!
    rolesOf.set(issuer, roles)
  }
  return Object.freeze({
    name,
    realm: parts.realm,
    upstream: parts.poolFor(service),
    websocket: service.websocket && {
      routes: new Set(service.websocket.routes),
      connections: shareOf(
        service.websocket.connections,
        parts.processes,
        `services.${name}.websocket.connections`,
      ),
      idleMs: service.websocket.idleSeconds * 1000,
      outlivesToken: service.websocket.outlivesToken,
    },
    prefixSegments,
    table: createRouteTable(routes),
    tokenFrom,
    ownPlaces: service.tokenFrom.filter(({ kind }) => kind !== 'bearer'),
    verifier:
      issuers.length === 0
        ? undefined
        : createVerifier({
            issuers,
            clock: parts.clock,
            cache: { entries: cacheEntries },
            confirmation: senderCheck === undefined ? 'refused' : 'checked-by-caller',
            ...(revocations === undefined ? {} : { revocations }),
          }),
    senderCheck,
    facts: new TokenFacts(rolesOf, service.claimHeaders),
    bodyLimitBytes: service.bodyLimitBytes,
    cors: service.cors,
    passing: compilePassing(service),
    exchange: compileExchange(service, tokenFrom, trust, parts.clock),
    host: service.host,
    metadata: resourceMetadata(service, trust),
  })
}

function compileRoute(
  route: Route,
  service: string,
  limit: Limit | undefined,
  buckets: CreateBuckets | undefined,
): ReadyRoute {
  const { method, template, requirement, line } = route
  const name = `${method} ${template}`
  return Object.freeze({
    method,
    template,
    name,
    line,
    open: requirement === 'open',
    denialOf: compilePolicy(requirement, `services.${service}.routes["${name}"]`),
    scopes: requiredScopes(requirement),
    rules: compileRules(route, service, limit, buckets),
  })
}

/** The segments of `at`; none for `/`. */
function readPrefix(service: Service): readonly string[] {
  const path = canonicalPath(service.at!)
  if ('reason' in path || path.query !== '') throw unusable(service, `at: "${service.at}" is no path`)
  const { segments } = path
  return segments.at(-1) === '' ? segments.slice(0, -1) : segments
}

function unusable(service: Service, message: string): Problem {
  return new Problem('trust-unusable', `services.${service.name}: ${message}`, {
    next: 'run countersign check on the trust file',
  })
}
