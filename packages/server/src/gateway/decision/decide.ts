import type { Denial } from '@countersign/sdk/core'
import type { CanonicalPath } from '@countersign/sdk/policy'
import { check } from './check.ts'
import type { Outcome } from './check.ts'
import { applyRules } from './route-rules.ts'
import type { RuledRequest } from './route-rules.ts'
import type { ReadyRoute, ReadyService, Routing } from './routes.ts'
import type { TokenSender } from './sender.ts'

/** A request that is being decided about; what is known of it grows. */
export type Asked = {
  path: CanonicalPath | undefined
  service: ReadyService | undefined
  route: ReadyRoute | undefined
  /** The route's parameters by name. */
  params: Readonly<Record<string, string>> | undefined
  /** Where the path has other methods than the one asked for: those it has. */
  allow: readonly string[] | undefined
  /** To be set where the route has rules of its own. */
  ruled: RuledRequest | undefined
}

/**
 * Finds the service and the route of a request whose canonical path is known. The proxy and every decision endpoint find
 * them here and nowhere else, so that what is decided about is what is asked for.
 *
 * @param hostName lower case, without port
 * @returns why there is none
 */
export function locate(
  asked: Asked,
  routing: Routing,
  method: string,
  hostName: string | undefined,
): Denial | undefined {
  const path = asked.path!
  const service = routing.find(hostName, path)
  if (service === undefined) return serviceUnknown
  asked.service = service
  const match = service.table.match(method, path, service.prefixSegments)
  switch (match.kind) {
    case 'route':
      asked.route = match.route
      asked.params = match.params
      return undefined
    case 'route-unknown':
      return routeUnknown
    case 'method-unknown':
      asked.allow = match.allow
      return methodUnknown
  }
}

/** Decides about a request that {@link locate} has found a route for. See {@link check}. */
export function decide(
  asked: Asked,
  rawHeaders: readonly string[],
  nowMs: number,
  sender?: TokenSender,
): Outcome | Promise<Outcome> {
  const { service, route } = asked
  const outcome = check(service!, route!, rawHeaders, nowMs, sender)
  const { rules } = route!
  const ruled = rules === undefined ? outcome : applyRules(rules, asked, asked.ruled!, outcome, nowMs)
  const { exchange } = service!
  return exchange === undefined ? ruled : Promise.resolve(ruled).then((made) => exchange(made, rawHeaders))
}

export const routeUnknown: Denial = Object.freeze({
  reason: 'route-unknown',
  detail: 'no route matches the path',
})
export const methodUnknown: Denial = Object.freeze({
  reason: 'method-unknown',
  detail: 'the path has no such method',
})
const serviceUnknown: Denial = Object.freeze({
  reason: 'service-unknown',
  detail: 'no service at this host or path',
})
