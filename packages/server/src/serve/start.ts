import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { Problem, refuseUnknownOptions, systemClock } from '@countersign/sdk/core'
import type { Clock } from '@countersign/sdk/core'
import { createAccessLog } from '../tracing/access-log.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { OwnIssuer } from '../gateway/decision/key-sets.ts'
import { observeIssuer } from '../issuer/issuer-metrics.ts'
import { createIssuer } from '../issuer/issuer.ts'
import { sealCheck } from '../issuer/keys/issuer-keys.ts'
import type { Issuer } from '../issuer/issuer.ts'
import { mergeReadings } from '../metrics/merge.ts'
import { createMetrics, metricsText } from '../metrics/registry.ts'
import { silentLog } from '../log.ts'
import type { Log } from '../log.ts'
import { measuredStore } from '../store/measured.ts'
import { openStore } from '../store/open.ts'
import type { Store } from '../store/store.ts'
import type { AuthzProxy, ListenAddress, Trust } from '../trust/trust.ts'
import type { AdminServer } from './admin-server.ts'
import { logDecision } from './decision-log.ts'
import { createIssuerListener } from './issuer-listener.ts'
import { addressText, drain, listen } from './listen.ts'
import { frozenChanges, renewable } from './frozen-changes.ts'
import { listenGateway, tracingIfAny } from './gateway-listeners.ts'
import type { GatewayWorkers } from './workers/workers.ts'

export type ServerPart = 'issuer' | 'gateway'

export type ServeOptions = {
  readonly trust: Trust
  /** Only this part; both, as far as the trust file has them, unless given. */
  readonly only?: ServerPart
  readonly log?: Log
  readonly clock?: Clock
  /** Asked before the issuer: true when it has answered. For what a demo adds to an issuer. */
  readonly beforeIssuer?: (request: IncomingMessage, response: ServerResponse) => boolean
  /** How long requests at hand may take when the servers stop, milliseconds; 10,000 unless given. */
  readonly drainMs?: number
  /** Runs the gateway in processes of its own; in this one unless given. */
  readonly workers?: GatewayWorkers
}

export type RunningServers = {
  /** Where each part listens, with the real port. */
  readonly addresses: {
    readonly issuer?: ListenAddress
    readonly gateway?: ListenAddress
    readonly authz?: Readonly<Partial<Record<AuthzProxy, ListenAddress>>>
    readonly operations?: ListenAddress
    readonly admin?: ListenAddress
  }
  /**
   * Works by another trust file from the next request on: all of it, or nothing of it.
   *
   * @param how.text the file's text, for workers
   * @param how.renew lets new workers begin where the gateway has settings that count only from the start
   * @returns settings that differ but count only after a restart, such as `gateway.listen`
   * @throws Problem when the file cannot be put to work; then the one before stays
   */
  replace(trust: Trust, how?: { readonly text?: string; readonly renew?: boolean }): readonly string[]
  /** Replaces all workers, one after the other, without a request being lost; nothing when there are none. */
  renewWorkers(): void
  /**
   * Stops: no new connections, requests at hand finish, then everything is let go of. Safe to call twice.
   *
   * @param announceMs how long to go on serving while `readyz` already says no, so that load balancers notice
   */
  close(options?: { readonly announceMs?: number }): Promise<void>
}

/**
 * Starts what the trust file declares: issuer, gateway or both, listening. Either all of it runs, or nothing is left.
 *
 * @throws Problem `nothing-to-serve`, `port-taken`, `address-unusable`, and those of issuer, gateway and store
 *
 * @example
 * const servers = await startServers({ trust, log })
 * process.once('SIGTERM', () => servers.close())
 */
export async function startServers(options: ServeOptions): Promise<RunningServers> {
  refuseUnknownOptions('startServers', options, optionNames)
  const { trust, only, log = silentLog, clock, beforeIssuer, drainMs = 10_000, workers } = options
  const shared = { log, ...(clock === undefined ? {} : { clock }) }
  checkParts(trust, only)
  const metrics = trust.operations?.listen === undefined ? undefined : createMetrics()
  const tracing = await tracingIfAny()
  const accessLog = createAccessLog(log, trust.operations?.accessLogShare ?? 0)
  const undo: (() => Promise<void>)[] = []
  try {
    let issuer: IssuerServer | undefined
    let admin: AdminServer | undefined
    if (trust.issuer !== undefined && only !== 'gateway') {
      const opened = await openStore(trust.issuer.store, { beforeMigration: sealCheck(trust.issuer) })
      const store = metrics === undefined ? opened : measuredStore(opened, metrics)
      undo.push(() => store.close())
      const created = await createIssuer({ settings: trust.issuer, trust, store, ...shared })
      const observe =
        metrics === undefined && accessLog === undefined && tracing === undefined
          ? undefined
          : observeIssuer({
              issuer: trust.issuer.url,
              keyRing: created.keyRing,
              clock: clock ?? systemClock,
              metrics: metrics ?? createMetrics(),
              accessLog,
              addressOf: created.addressOf,
              tracing,
              revocations: created.revocations,
            })
      const { tls, clientCertificates } = trust.issuer
      const listener = (answer: RequestListener): Promise<Server> =>
        createIssuerListener({ tls, clientCertificates, where: 'issuer.tls', log }, answer)
      const server = await issuerServer(created, store, { beforeIssuer, drainMs, observe, listener })
      undo.push(() => server.close(0))
      issuer = server
      if (trust.issuer.admin !== undefined) {
        const { url: issuerUrl, admin: settings } = trust.issuer
        const { codeFile, tls } = settings
        const [{ openAdminServer }, { observeAdmin }] = await Promise.all([
          import('./admin-server.ts'),
          import('../admin/admin-metrics.ts'),
        ])
        const opened = await openAdminServer(
          { issuerUrl, issuer: created, store, trust, codeFile, tls, log, clock: clock ?? systemClock },
          observeAdmin({ metrics, accessLog, addressOf: created.addressOf }),
        )
        undo.push(() => opened.close(0))
        admin = opened
      }
    }
    let gateway: Gateway | undefined
    if (workers !== undefined) {
      workers.check(trust)
      undo.push(() => workers.close())
    } else if (trust.gateway !== undefined && only !== 'issuer') {
      const own =
        issuer === undefined || trust.issuer === undefined ? undefined : ownIssuer(trust.issuer.url, issuer)
      const { createGateway } = await import('../gateway/gateway.ts')
      gateway = createGateway({
        trust,
        ...(own === undefined ? {} : { ownIssuer: own }),
        onDecision: logDecision(log),
        limits: { drainMs },
        ...(metrics === undefined ? {} : { metrics }),
        ...(accessLog === undefined ? {} : { accessLog }),
        ...(tracing === undefined ? {} : { tracing }),
        ...shared,
      })
      const created = gateway
      undo.push(() => created.close())
    }
    // Compiled before anything listens: a mistake must not show for a moment as a server that is there.
    const addresses: Started = {}
    if (issuer !== undefined)
      addresses.issuer = await listen(issuer.server, trust.issuer!.listen, 'issuer.listen')
    if (gateway !== undefined) Object.assign(addresses, await listenGateway(gateway, trust, log))
    if (admin !== undefined)
      addresses.admin = await listen(admin.server, trust.issuer!.admin!.listen, 'issuer.admin.listen')
    // They fetch the issuer's keys, so it is there before them.
    if (workers !== undefined) Object.assign(addresses, await workers.start(metrics, issuer !== undefined))
    let closeOperations: (() => void) | undefined
    if (metrics !== undefined) {
      const text = async (): Promise<string> =>
        workers === undefined
          ? metrics.text()
          : metricsText(mergeReadings([metrics.read(), await workers.readings()]))
      const [{ createOperationsServer }, { observeProcess }] = await Promise.all([
        import('./operations.ts'),
        import('../metrics/process-metrics.ts'),
      ])
      const server = createOperationsServer(
        { text },
        () => (issuer?.isReady() ?? true) && ((gateway ?? workers)?.isReady() ?? true),
      )
      addresses.operations = await listen(server, trust.operations!.listen!, 'operations.listen')
      const stopObserving = observeProcess(metrics)
      closeOperations = () => {
        stopObserving()
        server.close()
        server.closeAllConnections()
      }
    }
    for (const part of ['issuer', 'gateway', 'operations', 'admin'] as const) {
      const address = addresses[part]
      if (address !== undefined) log.info('serve.listening', { part, address: addressText(address) })
    }
    return running(trust, { issuer, gateway, admin, drainMs, closeOperations, workers }, addresses, log)
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => undefined)
    throw error
  }
}

function running(
  started: Trust,
  {
    issuer,
    gateway,
    admin,
    drainMs,
    closeOperations,
    workers,
  }: {
    issuer: IssuerServer | undefined
    gateway: Gateway | undefined
    admin: AdminServer | undefined
    drainMs: number
    closeOperations: (() => void) | undefined
    workers: GatewayWorkers | undefined
  },
  addresses: RunningServers['addresses'],
  log: Log,
): RunningServers {
  let trust = started
  /** What the workers began with. */
  let begun = started
  let closing: Promise<void> | undefined
  const renewWorkers = (): void => {
    begun = trust
    workers?.renew().catch((error: unknown) => log.error('workers.not-renewed', { message: String(error) }))
  }
  return {
    addresses,
    renewWorkers,
    replace(next, { text, renew = false } = {}) {
      // The gateway can refuse a file, the issuer cannot: so it goes first, and nothing is half replaced.
      gateway?.replace(next)
      workers?.check(next)
      issuer?.issuer.replace(next)
      admin?.replace(next)
      if (text !== undefined) workers?.replace(text)
      trust = next
      const changed = frozenChanges(started, trust)
      if (workers === undefined) return changed
      const others = changed.filter((name) => !renewable.has(name))
      const ofWorkers = frozenChanges(begun, trust).filter((name) => renewable.has(name))
      if (!renew || ofWorkers.length === 0) return [...others, ...ofWorkers]
      renewWorkers()
      return others
    },
    close({ announceMs = 0 } = {}) {
      closing ??= (async () => {
        log.info('serve.stopping')
        // First, since it works on what the issuer lets go of.
        await admin?.close(drainMs)
        await Promise.all([
          gateway === undefined ? undefined : closeGateway(gateway, announceMs),
          issuer?.close(announceMs),
          workers?.close({ announceMs }),
        ])
        // Last, so that the numbers of the end can be seen too.
        closeOperations?.()
        log.info('serve.stopped')
      })()
      return closing
    },
  }
}

type Addresses = RunningServers['addresses']
type Started = { -readonly [part in keyof Addresses]: Addresses[part] }

/** A connection whose request was under way when the drain began is idle after it, and would be waited for in vain. */
async function closeGateway(gateway: Gateway, announceMs: number): Promise<void> {
  const closed = gateway.close({ announceMs })
  const idle = setInterval(() => {
    if (!gateway.server.listening) gateway.server.closeIdleConnections()
  }, 20)
  await closed.finally(() => clearInterval(idle))
}

type IssuerServer = {
  readonly server: Server
  readonly issuer: Issuer
  isReady(): boolean
  close(announceMs: number): Promise<void>
}

async function issuerServer(
  issuer: Issuer,
  store: Store,
  {
    beforeIssuer,
    drainMs,
    observe,
    listener,
  }: {
    readonly beforeIssuer: ServeOptions['beforeIssuer']
    readonly drainMs: number
    readonly observe: ReturnType<typeof observeIssuer> | undefined
    readonly listener: (answer: RequestListener) => Promise<Server>
  },
): Promise<IssuerServer> {
  let stopping = false
  const server = await listener((request, response) => {
    observe?.(request, response)
    if (stopping) {
      response.shouldKeepAlive = false
      if (request.url === '/readyz')
        return void response.writeHead(503, { 'Retry-After': '5' }).end('stopping\n')
    }
    if (beforeIssuer?.(request, response) !== true) issuer.listener(request, response)
  })
  return {
    server,
    issuer,
    isReady: () => !stopping && issuer.isReady(),
    async close(announceMs) {
      stopping = true
      if (announceMs > 0) await new Promise((resolve) => setTimeout(resolve, announceMs))
      await drain(server, drainMs)
      await issuer.close()
      await store.close()
    },
  }
}

function ownIssuer(issuer: string, { issuer: { keySet, revocations } }: IssuerServer): OwnIssuer {
  return { issuer, keySet, revocationsFor: revocations.followedFor }
}

function checkParts(trust: Trust, only: ServerPart | undefined): void {
  if (only !== undefined && trust[only] === undefined) {
    throw new Problem('nothing-to-serve', `${trust.file} has no ${only} section`, {
      next: `add one, or leave --only ${only} out`,
    })
  }
  if (trust.issuer === undefined && trust.gateway === undefined) {
    throw new Problem('nothing-to-serve', `${trust.file} has neither an issuer nor a gateway section`, {
      next: 'add one of them',
    })
  }
}

const optionNames = ['trust', 'only', 'log', 'clock', 'beforeIssuer', 'drainMs', 'workers']
