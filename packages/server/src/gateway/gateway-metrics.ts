import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { VerifiedToken } from '@countersign/sdk/jwt'
import { denialWire } from '@countersign/sdk/policy'
import type { AccessLog } from '../tracing/access-log.ts'
import { createGrid, statusClass, statusClasses } from '../metrics/grid.ts'
import type { Grid } from '../metrics/grid.ts'
import type { Counter, Metrics } from '../metrics/registry.ts'
import type { ClientReply, ClientRequest } from './front/client-connection.ts'
import { failureStatus } from './upstream/failures.ts'
import type { ExchangeFailure } from './upstream/failures.ts'
import { senderOf } from './upstream/forwarded.ts'
import type { KeySets } from './decision/key-sets.ts'
import type { ReadyRoute, ReadyService } from './decision/routes.ts'
import type { TrustedProxies } from '../net/address.ts'
import { readTraceContext } from '../tracing/trace-context.ts'
import type { TracedRequest, Tracing } from '../tracing/tracing.ts'
import type { Upstreams } from './upstream/upstreams.ts'

/** Told what the gateway does; changes nothing of it. */
export type GatewayObserver = {
  /** A request begins. What becomes of it stands in `call` by the time its response is closed. */
  begin(call: ObservedCall): void
  upstreamFailed(service: string, failure: ExchangeFailure): void
  /** A WebSocket that both sides would have kept open. */
  tunnelClosed(service: string, reason: string): void
  /** A decision for another proxy. @param status what that one is told */
  judged(
    asked: { readonly service: ReadyService | undefined; readonly route: ReadyRoute | undefined },
    status: number,
    reason: string,
  ): void
  /** What goes over the wire is counted by connection, so that no request pays for it. */
  watch(server: Server): void
}

/** The parts of a call that are observed; most of them only known at its end. */
export type ObservedCall = {
  /** Set here, when somebody traces. */
  span: TracedRequest | undefined
  readonly request: ClientRequest
  readonly response: ClientReply
  readonly client: { readonly address: string; readonly socket: Socket }
  readonly path: { readonly path: string } | undefined
  readonly service: ReadyService | undefined
  readonly route: ReadyRoute | undefined
  readonly token: VerifiedToken | undefined
  readonly reason: string | undefined
  readonly failure: string | undefined
  readonly requestId: string | undefined
}

/**
 * Counts what a gateway does, by service, route, status class and reason. All of these are words of the trust file or of
 * ours, and all series are found by the route, so that a request pays for a few additions and nothing else.
 *
 * @param options.accessLog told each request that it wants, at its end
 * @param options.proxies asked for whose request it is
 */
export function observeGateway({ metrics, accessLog, tracing, proxies }: ObserveOptions): GatewayObserver {
  const count = countRequests(metrics)
  const failures = new Map<string, Grid>()
  const failed = metrics.counter(
    'countersign_gateway_upstream_failures_total',
    'Exchanges with an upstream that failed.',
    ['service', 'failure'],
  )
  const decisions = metrics.counter(
    'countersign_gateway_decisions_total',
    'Decisions for other proxies.',
    routeLabels,
  )
  const decisionsOf = byRoute((service, route) =>
    createGrid(decisions, [statusClasses, reasons], [service, route]),
  )
  const closed = metrics.counter(
    'countersign_gateway_websockets_closed_total',
    'WebSockets that the gateway closed, since their token was good no more or nobody said anything.',
    ['service', 'reason'],
  )
  const closings = new Map<string, Grid>()
  let active = 0
  metrics.gauge('countersign_gateway_active_requests', 'Requests under way.', () => active)

  const ended = (call: ObservedCall, startedMs: number): void => {
    active -= 1
    const { request, response, service, route, token } = call
    const durationMs = performance.now() - startedMs
    // Who left before the head had gone out got nothing.
    const status = response.headersSent ? response.statusCode : 0
    const reason = call.reason ?? 'none'
    call.span?.end(status, endAttributes(call, status))
    count(service, route, status, reason, durationMs)
    if (accessLog?.wants(status) !== true) return
    accessLog.write({
      part: 'gateway',
      method: request.method,
      path: call.path?.path,
      status,
      durationMs,
      address: senderOf(proxies(), call.client, request.rawHeaders).address,
      requestId: call.requestId,
      service: service?.name,
      route: route?.name,
      client: token?.clientId,
      tokenId: token?.tokenId,
      reason,
      failure: call.failure,
      traceId: call.span?.traceId ?? readTraceContext(request.rawHeaders)?.traceId,
    })
  }
  return {
    begin(call) {
      const startedMs = performance.now()
      active += 1
      if (tracing !== undefined) beginSpan(tracing, call, proxies())
      call.response.on('close', () => ended(call, startedMs))
    },
    upstreamFailed(service, failure) {
      gridOf(failures, failed, Object.keys(failureStatus), service).add(failure)
    },
    tunnelClosed(service, reason) {
      gridOf(closings, closed, [...reasons, 'idle'], service).add(reason)
    },
    judged: ({ service, route }, status, reason) =>
      decisionsOf(service, route).add(statusClass(status), reason),
    watch: (server) => countConnections(server, metrics),
  }
}

/** One of each service, made when it is first needed. */
function gridOf(made: Map<string, Grid>, counter: Counter, words: readonly string[], service: string): Grid {
  let grid = made.get(service)
  if (grid === undefined) {
    grid = createGrid(counter, [words], [service])
    made.set(service, grid)
  }
  return grid
}

export type ObserveOptions = {
  readonly metrics: Metrics
  readonly accessLog: AccessLog | undefined
  readonly tracing: Tracing | undefined
  readonly proxies: () => TrustedProxies | undefined
}

function beginSpan(tracing: Tracing, call: ObservedCall, proxies: TrustedProxies | undefined): void {
  const { request, client } = call
  const { address, protocol } = senderOf(proxies, client, request.rawHeaders)
  call.span = tracing.begin('gateway.proxy', readTraceContext(request.rawHeaders), {
    'http.request.method': request.method,
    'url.path': pathOf(request),
    'url.scheme': protocol,
    'client.address': address,
    'network.peer.address': client.address,
  })
}

function endAttributes({ service, route, reason, failure }: ObservedCall, status: number) {
  return {
    'http.route': route?.name,
    'countersign.service': service?.name,
    'countersign.reason': reason,
    'error.type': failure ?? (status >= 500 ? String(status) : undefined),
  }
}

function pathOf({ url = '' }: ClientRequest): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

type CountRequest = (
  service: ReadyService | undefined,
  route: ReadyRoute | undefined,
  status: number,
  reason: string,
  durationMs: number,
) => void

/** What has come and gone, by route; a route that is in the file no more keeps its numbers. */
function countRequests(metrics: Metrics): CountRequest {
  const requests = metrics.counter('countersign_gateway_requests_total', 'Requests answered.', routeLabels)
  const durations = metrics.histogram(
    'countersign_gateway_request_duration_seconds',
    'From the end of a request’s head to the end of its reply.',
    ['service', 'route'],
  )
  const numbersOf = byRoute((service, route) => ({
    requests: createGrid(requests, [statusClasses, reasons], [service, route]),
    duration: durations.series(service, route),
  }))
  return (service, route, status, reason, durationMs) => {
    const numbers = numbersOf(service, route)
    numbers.requests.add(statusClass(status), reason)
    // A WebSocket lasts as long as people like to talk, which says nothing of how fast we are.
    if (status !== 101) durations.observe(numbers.duration, durationMs / 1000)
  }
}

/** Finds what was made for a route, or for a service when no route was found, or for neither. */
function byRoute<T>(
  make: (service: string, route: string) => T,
): (service: ReadyService | undefined, route: ReadyRoute | undefined) => T {
  const known = new WeakMap<ReadyRoute | ReadyService, T>()
  let nowhere: T | undefined
  return (service, route) => {
    const place = route ?? service
    if (place === undefined || service === undefined) return (nowhere ??= make('none', 'none'))
    let made = known.get(place)
    if (made === undefined) {
      made = make(service.name, route?.name ?? 'none')
      known.set(place, made)
    }
    return made
  }
}

/** What is open towards the upstreams, and how old the keys are. */
export function countPools(
  metrics: Metrics,
  upstreams: Pick<Upstreams, 'states'>,
  keySets: Pick<KeySets, 'ages' | 'revocationAges'>,
): void {
  metrics.gauge(
    'countersign_gateway_upstream_connections',
    'Connections to each upstream by state, and requests that wait for one.',
    () =>
      upstreams
        .states()
        .flatMap(([upstream, { connections, idle, waiting }]) => [
          [[upstream, 'busy'], connections - idle] as const,
          [[upstream, 'idle'], idle] as const,
          [[upstream, 'waiting'], waiting] as const,
        ]),
    ['upstream', 'state'],
  )
  metrics.gauge(
    'countersign_gateway_upstream_out',
    '1 while a target is left alone because it fails, as far as there are others.',
    () => upstreams.states().map(([upstream, { out }]) => [[upstream], out ? 1 : 0] as const),
    ['upstream'],
    'max',
  )
  metrics.gauge(
    'countersign_gateway_key_set_age_seconds',
    'How long ago the keys of each issuer last came.',
    () => keySets.ages().map(([issuer, seconds]) => [[issuer], seconds] as const),
    ['issuer'],
    'max',
  )
  metrics.gauge(
    'countersign_gateway_revocations_age_seconds',
    'How long ago the list of what is revoked last came.',
    () => keySets.revocationAges().map(([issuer, seconds]) => [[issuer], seconds] as const),
    ['issuer'],
    'max',
  )
}

function countConnections(server: Server, metrics: Metrics): void {
  const open = new Set<Socket>()
  const closed = { connections: 0, bytesIn: 0, bytesOut: 0 }
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.on('close', () => {
      open.delete(socket)
      closed.connections += 1
      closed.bytesIn += socket.bytesRead
      closed.bytesOut += socket.bytesWritten
    })
  })
  let malformed = 0
  server.on('clientError', () => void malformed++)
  const sum = (of: (socket: Socket) => number): number => {
    let total = 0
    for (const socket of open) total += of(socket)
    return total
  }
  metrics.gauge('countersign_gateway_connections', 'Connections of clients.', () => open.size)
  metrics.gauge(
    'countersign_gateway_connections_total',
    'Connections that clients have opened.',
    () => closed.connections + open.size,
  )
  metrics.gauge(
    'countersign_gateway_bytes_in_total',
    'Bytes from clients.',
    () => closed.bytesIn + sum(({ bytesRead }) => bytesRead),
  )
  metrics.gauge(
    'countersign_gateway_bytes_out_total',
    'Bytes to clients.',
    () => closed.bytesOut + sum(({ bytesWritten }) => bytesWritten),
  )
  metrics.gauge(
    'countersign_gateway_connection_errors_total',
    'Connections that ended with what is no request, or with none in time.',
    () => malformed,
  )
}

const routeLabels = ['service', 'route', 'status', 'reason']
const reasons = ['allowed', 'none', 'keys-unavailable', ...Object.keys(denialWire)]
