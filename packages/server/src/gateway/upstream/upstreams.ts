import type { UpstreamSecurity } from './dial.ts'
import type { GatewayLimits } from '../front/limits.ts'
import type { Log } from '../../log.ts'
import { TlsFiles } from './tls-files.ts'
import { shareOf } from '../share.ts'
import type { Ticker } from '../front/ticker.ts'
import type { Service, UpstreamSettings } from '../../trust/trust.ts'
import { Upstream } from './upstream.ts'
import type { TargetCounts } from './upstream.ts'
import { readOrigin } from './upstream-origin.ts'
import { UpstreamPool } from './upstream-pool.ts'
import { usualUpstream } from '../../trust/upstream-section.ts'

/**
 * The pools of all services and the targets in them. What a new trust file says in the same words stays: its connections,
 * and what is known of its health. Services that say the same share it.
 */
export class Upstreams {
  readonly #limits: GatewayLimits
  readonly #log: Log
  readonly #ticker: () => Ticker
  readonly #processes: number
  readonly #pools = new Map<string, UpstreamPool>()
  readonly #targets = new Map<string, Upstream>()
  /** No longer in the trust file, but with exchanges under way. */
  readonly #retired = new Set<Upstream>()

  /** @param processes how many share what each target allows */
  constructor(limits: GatewayLimits, log: Log, ticker: () => Ticker, processes = 1) {
    this.#limits = limits
    this.#log = log
    this.#ticker = ticker
    this.#processes = processes
  }

  /** @throws Problem `upstream-invalid`, `tls-files-unusable`, `trust-unusable` */
  poolFor({ name, upstream, upstreamSettings }: Service): UpstreamPool {
    const settings = upstreamSettings ?? { ...usualUpstream, targets: [upstream!] }
    const key = JSON.stringify(settings)
    const known = this.#pools.get(key)
    if (known !== undefined) return known
    const targets = settings.targets.map((url) => this.#target(url, settings, `services.${name}.upstream`))
    const { balance, protocol, retries } = settings
    const rules = { protocol, balance, retries: retries.most, retryShare: retries.percent / 100 }
    const pool = new UpstreamPool(targets, rules, this.#ticker())
    this.#pools.set(key, pool)
    return pool
  }

  /** Lets go of all pools but these, once their exchanges have ended. */
  keep(used: ReadonlySet<UpstreamPool>): void {
    const targets = new Set([...used].flatMap((pool) => pool.targets))
    for (const [key, pool] of this.#pools) if (!used.has(pool)) this.#pools.delete(key)
    for (const [key, target] of this.#targets) {
      if (targets.has(target)) continue
      target.retire()
      this.#targets.delete(key)
      this.#retired.add(target)
    }
  }

  /** Every place with what is done there at the moment, whatever services say of it; for metrics. */
  states(): (readonly [upstream: string, counts: TargetCounts])[] {
    const states = new Map<string, TargetCounts>()
    for (const { origin, counts } of this.#targets.values()) {
      const { connections = 0, idle = 0, waiting = 0, out = false } = states.get(origin.key) ?? {}
      states.set(origin.key, {
        connections: connections + counts.connections,
        idle: idle + counts.idle,
        waiting: waiting + counts.waiting,
        out: out || counts.out,
      })
    }
    return [...states]
  }

  /** Called once a tick. */
  sweep(nowMs: number): void {
    for (const target of this.#targets.values()) target.sweep(nowMs)
    for (const target of this.#retired) {
      target.sweep(nowMs)
      if (target.counts.connections === 0) this.#retired.delete(target)
    }
  }

  /** Destroys all connections; the exchanges on them fail. */
  close(): void {
    for (const target of [...this.#targets.values(), ...this.#retired]) target.close()
  }

  #target(url: string, settings: UpstreamSettings, where: string): Upstream {
    // Which others stand beside it, and how one of them is chosen, makes no difference to a target.
    const { targets: _, balance: __, retries: ___, ...own } = settings
    const key = JSON.stringify([url, own])
    const known = this.#targets.get(key)
    if (known !== undefined) return known
    const origin = readOrigin(url, where)
    const target = new Upstream(origin, this.#limitsOf(settings, where), this.#ticker(), {
      ejection: { after: settings.eject.after, forMs: settings.eject.forSeconds * 1000 },
      probe: settings.probe && {
        path: settings.probe.path,
        everyMs: settings.probe.everySeconds * 1000,
        timeoutMs: settings.probe.timeoutSeconds * 1000,
        wellAfter: settings.probe.wellAfter,
        outAfter: settings.probe.outAfter,
      },
      security: settings.tls && this.#security(settings.tls, where),
      tell: (change) => {
        // Alone it is asked all the same: there is nobody else.
        if (change === 'out') this.#log.warn('upstream out', { upstream: origin.key })
        else this.#log.info('upstream back', { upstream: origin.key })
      },
    })
    this.#targets.set(key, target)
    return target
  }

  #limitsOf(settings: UpstreamSettings, where: string): GatewayLimits {
    const limits = limitsOf(settings, this.#limits)
    const { upstreamConnections, upstreamWaiting } = limits
    return Object.freeze({
      ...limits,
      upstreamConnections: shareOf(upstreamConnections, this.#processes, `${where}.connections`),
      upstreamWaiting: Math.floor(upstreamWaiting / this.#processes),
    })
  }

  #security(tls: NonNullable<UpstreamSettings['tls']>, where: string): UpstreamSecurity {
    const { serverName, ...paths } = tls
    const files = new TlsFiles(paths, `${where}.tls`, this.#log)
    return { serverName, context: (nowMs) => files.context(nowMs) }
  }
}

function limitsOf(settings: UpstreamSettings, limits: GatewayLimits): GatewayLimits {
  const { timeouts, connections, waiting } = settings
  const ms = (seconds: number | undefined, otherwise: number): number =>
    seconds === undefined ? otherwise : seconds * 1000
  return {
    ...limits,
    connectMs: ms(timeouts.connectSeconds, limits.connectMs),
    replyHeadMs: ms(timeouts.replySeconds, limits.replyHeadMs),
    replyStallMs: ms(timeouts.stallSeconds, limits.replyStallMs),
    upstreamKeepAliveMs: ms(timeouts.idleSeconds, limits.upstreamKeepAliveMs),
    upstreamConnections: connections ?? limits.upstreamConnections,
    upstreamWaiting: waiting ?? limits.upstreamWaiting,
  }
}
