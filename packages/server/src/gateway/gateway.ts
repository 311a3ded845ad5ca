import { randomBytes } from 'node:crypto'
import type { Server } from 'node:http'
import { refuseUnknownOptions, systemClock } from '@countersign/sdk/core'
import type { Clock } from '@countersign/sdk/core'
import { createAuthzEndpoints } from './authz/authz-endpoints.ts'
import type { AuthzEndpoint } from './authz/authz-endpoints.ts'
import { decisionRecord } from './decision/decision.ts'
import type { DecisionRecord } from './decision/decision.ts'
import { FailureLog } from './upstream/failure-log.ts'
import { KeySets } from './decision/key-sets.ts'
import type { OwnIssuer } from './decision/key-sets.ts'
import { readLimits } from './front/limits.ts'
import type { GatewayLimits } from './front/limits.ts'
import { createFrontServer } from './front/listen.ts'
import type { AccessLog } from '../tracing/access-log.ts'
import { countPools, observeGateway } from './gateway-metrics.ts'
import { createMetrics } from '../metrics/registry.ts'
import type { Metrics } from '../metrics/registry.ts'
import { silentLog } from '../log.ts'
import type { Log } from '../log.ts'
import { compileRoutes } from './decision/routes.ts'
import type { Routing } from './decision/routes.ts'
import { createGatewayProofs } from './decision/sender.ts'
import { createServe } from './serve-request.ts'
import type { GatewayShared } from './gateway-shared.ts'
import type { GatewayState } from './gateway-state.ts'
import { startTicker } from './front/ticker.ts'
import { createTrustedProxies } from '../net/address.ts'
import type { TrustedProxies } from '../net/address.ts'
import { createTlsListener } from '../net/tls-listener.ts'
import type { TlsListener } from '../net/tls-listener.ts'
import type { Tracing } from '../tracing/tracing.ts'
import type { Trust } from '../trust/trust.ts'
import { Upstreams } from './upstream/upstreams.ts'

export type GatewayOptions = {
  readonly trust: Trust
  /** Our issuer, when it runs in this process; otherwise its keys are fetched from the URL in the trust file. */
  readonly ownIssuer?: OwnIssuer
  readonly clock?: Clock
  readonly log?: Log
  /** Told what was decided about each request, allowed or not. */
  readonly onDecision?: (record: DecisionRecord) => void
  /** Before those of the trust file. */
  readonly limits?: Partial<GatewayLimits>
  /** Where to count; nowhere unless given. */
  readonly metrics?: Metrics
  /** One line per request; none unless given. */
  readonly accessLog?: AccessLog
  /** A span per request; none unless given. */
  readonly tracing?: Tracing
  /** What it has in common with other processes at the same address; it is alone unless given. */
  readonly shared?: GatewayShared
}

/** The proxy in front of services: lets through what the trust file allows, and nothing else. */
export type Gateway = {
  /** Not listening yet: call `listen` on it. Its parser and its limits are part of the gateway. */
  readonly server: Server
  /** Where other proxies ask for decisions; not listening yet either. */
  readonly authz: readonly AuthzEndpoint[]
  /** Works by another trust file from the next request on. @throws Problem, and goes on with the file it has */
  replace(trust: Trust): void
  /** Whether to send it requests: it is not closing, and has keys to decide with. Asks for some if it has none. */
  isReady(): boolean
  /**
   * Stops listening, lets the requests at hand finish for as long as the limits allow, then closes everything.
   *
   * @param announceMs how long to go on serving while `readyz` already says no, so that load balancers notice
   * @param unnoticed others go on at the same address: `readyz` says so, and nobody's connection closes unannounced
   */
  close(options?: { readonly announceMs?: number; readonly unnoticed?: boolean }): Promise<void>
}

/**
 * Makes the gateway.
 *
 * @throws Problem when the trust file cannot be put to work.
 * @example
 * const gateway = createGateway({ trust })
 * gateway.server.listen(9001, '127.0.0.1')
 */
export function createGateway(options: GatewayOptions): Gateway {
  refuseUnknownOptions('createGateway', options, optionNames)
  const { ownIssuer, onDecision, metrics, accessLog, tracing, shared } = options
  const { clock = systemClock, log = silentLog } = options
  const limits = readLimits({ ...options.trust.gateway?.limits, ...options.limits })
  const upstreams = new Upstreams(limits, log, () => ticker, shared?.processes)
  const keySets = new KeySets(clock, log, shared?.revocationsEverySeconds)
  const proofs = createGatewayProofs(options.trust.gateway ?? {}, shared)
  const ticker = startTicker(tickMs(limits), (nowMs) => upstreams.sweep(nowMs))

  const compile = (trust: Trust): Routing =>
    compileRoutes(trust, {
      realm: trust.gateway?.realm ?? defaultRealm,
      ownIssuer,
      keySets,
      clock,
      rememberedTokens: limits.rememberedTokens,
      proofs,
      ...(shared === undefined ? {} : { buckets: shared.buckets, processes: shared.processes }),
      poolFor: (service) => upstreams.poolFor(service),
    })

  const state: GatewayState = {
    routing: compile(options.trust),
    draining: false,
    leaving: false,
    realm: options.trust.gateway?.realm ?? defaultRealm,
    viaName: shared?.viaName ?? newViaName(),
    clock,
    ticker,
    limits,
    log,
    failures: new FailureLog(log),
    onDecision,
    observer:
      metrics === undefined && accessLog === undefined && tracing === undefined
        ? undefined
        : observeGateway({
            metrics: metrics ?? createMetrics(),
            accessLog,
            tracing,
            proxies: () => state.proxies,
          }),
    proxies: proxiesOf(options.trust),
    certificateHeader: certificateHeaderOf(options.trust),
    isReady: () => !state.leaving && keySets.ready(),
  }
  const front = createFrontServer(limits, createServe(state), tlsOf(options.trust, log))
  state.observer?.watch(front.server)
  if (onDecision !== undefined) recordUnparsed(front.server, onDecision)
  if (metrics !== undefined) countPools(metrics, upstreams, keySets)
  const authz = createAuthzEndpoints(state, options.trust.gateway?.authz)
  let closing: Promise<void> | undefined

  const close = async (announceMs: number, unnoticed: boolean): Promise<void> => {
    state.leaving = !unnoticed
    state.draining = true
    if (announceMs > 0) await wait(announceMs)
    await Promise.all([front, ...authz].map((part) => part.close(unnoticed)))
    upstreams.close()
    ticker.stop()
  }
  return {
    server: front.server,
    authz,
    isReady: state.isReady,
    replace(trust) {
      let routing = state.routing
      try {
        routing = compile(trust)
      } finally {
        // Also when it is refused: what was made for it meanwhile goes.
        upstreams.keep(new Set(routing.services.map(({ upstream }) => upstream)))
      }
      state.routing = routing
      state.realm = trust.gateway?.realm ?? defaultRealm
      state.proxies = proxiesOf(trust)
      // What the checks of this file read must not reach a service as a client wrote it.
      state.certificateHeader = certificateHeaderOf(trust)
    },
    close: ({ announceMs = 0, unnoticed = false } = {}) => (closing ??= close(announceMs, unnoticed)),
  }
}

/** What the parser refuses never becomes a request, and is one that was refused all the same. */
function recordUnparsed(server: Server, onDecision: NonNullable<GatewayOptions['onDecision']>): void {
  server.on('clientError', ({ code = '' }: NodeJS.ErrnoException) => {
    if (!code.startsWith('HPE_')) return
    onDecision(
      decisionRecord({
        method: undefined,
        path: undefined,
        service: undefined,
        route: undefined,
        token: undefined,
        reason: 'request-malformed',
        detail: `no request of HTTP: ${code}`,
        status: code === 'HPE_HEADER_OVERFLOW' ? 431 : 400,
      }),
    )
  })
}

/** Unlike any other gateway's. */
export function newViaName(): string {
  return `countersign-${randomBytes(4).toString('hex')}`
}

/** Often enough that the shortest limit is noticed in time, and no more than four times a second. */
function tickMs(limits: GatewayLimits): number {
  const { connectMs, replyHeadMs, replyStallMs, clientStallMs, bodyMs, waitMs } = limits
  const shortest = Math.min(connectMs, replyHeadMs, replyStallMs, clientStallMs, bodyMs, waitMs)
  return Math.max(10, Math.min(250, Math.floor(shortest / 4)))
}

/** Nobody is the common case, and costs nothing. */
function proxiesOf({ trustedProxies = [] }: Trust): TrustedProxies | undefined {
  return trustedProxies.length === 0 ? undefined : createTrustedProxies(trustedProxies)
}

/** In small letters. */
function certificateHeaderOf({ gateway }: Trust): string | undefined {
  return gateway?.clientCertificates?.header?.name.toLowerCase()
}

function tlsOf({ gateway }: Trust, log: Log): TlsListener | undefined {
  if (gateway?.tls === undefined) return undefined
  const { tls, clientCertificates } = gateway
  return createTlsListener({ tls, clientCertificates, where: 'gateway.tls', log })
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

const defaultRealm = 'countersign'
const optionNames = [
  'trust',
  'ownIssuer',
  'clock',
  'log',
  'onDecision',
  'limits',
  'metrics',
  'accessLog',
  'tracing',
  'shared',
]
