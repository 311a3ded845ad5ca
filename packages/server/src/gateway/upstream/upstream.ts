import type { Socket } from 'node:net'
import { dial } from './dial.ts'
import type { UpstreamSecurity } from './dial.ts'
import { Http2Upstream } from './http2-upstream.ts'
import type { GatewayLimits } from '../front/limits.ts'
import type { Ticker } from '../front/ticker.ts'
import { TargetHealth } from './target-health.ts'
import type { EjectionRule, HealthChange } from './target-health.ts'
import { UpstreamConnection } from './upstream-connection.ts'
import type { ConnectionOwner, UpstreamExchange } from './upstream-connection.ts'
import { UpstreamProbe } from './upstream-probe.ts'
import type { ProbeRule } from './upstream-probe.ts'
import type { UpstreamOrigin } from './upstream-origin.ts'

/**
 * The connections to one upstream. An exchange gets an idle one (the one used last, so that the others can age out),
 * else a new one, else it waits its turn, first come first served and for a bounded time.
 */
export class Upstream implements ConnectionOwner {
  readonly origin: UpstreamOrigin
  readonly health: TargetHealth
  readonly limits: GatewayLimits
  readonly http2: Http2Upstream
  readonly #probe: UpstreamProbe | undefined
  readonly #security: UpstreamSecurity | undefined
  readonly #limits: GatewayLimits
  readonly #ticker: Ticker
  readonly #all = new Set<UpstreamConnection>()
  readonly #idle: UpstreamConnection[] = []
  readonly #waiting: Waiting[] = []
  #closed = false

  constructor(origin: UpstreamOrigin, limits: GatewayLimits, ticker: Ticker, options: TargetOptions = {}) {
    const { ejection = usualEjection, probe, security, tell = () => undefined } = options
    this.origin = origin
    this.health = new TargetHealth(ejection, tell)
    this.limits = limits
    this.http2 = new Http2Upstream(origin, limits, () => this.dial('h2'))
    this.#security = security
    this.#probe =
      probe &&
      new UpstreamProbe({ origin, limits, ticker, security }, probe, (isWell) => this.health.probed(isWell))
    this.#limits = limits
    this.#ticker = ticker
  }

  /**
   * A connection for one exchange, which then calls `begin` on it.
   *
   * @param reuse 'any': an idle connection may turn out to be closed, and the exchange can be repeated on a new one.
   *   'recent': only one used within the last second, since the exchange must not be repeated. 'none': a new one.
   * @returns undefined when there is none yet: `onConnection` or `onFailure` follows
   */
  connect(waiter: UpstreamWaiter, reuse: 'any' | 'recent' | 'none'): UpstreamConnection | undefined {
    if (reuse !== 'none') {
      const idle = this.#idle.at(-1)
      if (idle !== undefined && (reuse === 'any' || this.#ticker.nowMs - idle.idleSinceMs <= recentMs)) {
        this.#idle.pop()
        return idle
      }
    }
    if (this.#all.size < this.#limits.upstreamConnections) return this.#open()
    if (this.#idle.length > 0) {
      // Full, and what is idle is too old for this exchange: the oldest makes room.
      this.#idle[0]!.destroy()
      return this.#open()
    }
    if (this.#waiting.length >= this.#limits.upstreamWaiting) {
      waiter.onFailure('wait-full')
      return undefined
    }
    this.#waiting.push({ waiter, deadlineMs: this.#ticker.nowMs + this.#limits.waitMs })
    return undefined
  }

  /** The exchange has given up waiting. */
  cancel(waiter: UpstreamWaiter): void {
    const index = this.#waiting.findIndex((waiting) => waiting.waiter === waiter)
    if (index !== -1) this.#waiting.splice(index, 1)
  }

  /** A connection of its own, for what is no exchange; whoever asks for it looks after it. */
  dial(protocol: 'http/1.1' | 'h2'): Socket {
    return dial(this.origin, protocol, this.#security, this.#ticker.nowMs)
  }

  /** Exchanges under way and waiting. */
  get pending(): number {
    return this.#all.size - this.#idle.length + this.#waiting.length + this.http2.open
  }

  /** Another exchange would be turned away. */
  get full(): boolean {
    return (
      this.#waiting.length >= this.#limits.upstreamWaiting && this.pending >= this.#limits.upstreamConnections
    )
  }

  /** Called once a tick. */
  sweep(nowMs: number): void {
    this.#probe?.sweep(nowMs)
    for (const connection of this.#all) connection.sweep(nowMs)
    while (this.#waiting.length > 0 && nowMs >= this.#waiting[0]!.deadlineMs) {
      this.#waiting.shift()!.waiter.onFailure('wait-timeout')
    }
  }

  /** How many connections there are, and how many of them idle; for tests and metrics. */
  get counts(): TargetCounts {
    return {
      connections: this.#all.size + this.http2.connections,
      idle: this.#idle.length,
      waiting: this.#waiting.length,
      out: this.health.out,
    }
  }

  /** Destroys the idle connections, and from now on each other one when its exchange ends. */
  retire(): void {
    this.#closed = true
    this.#probe?.close()
    this.http2.retire()
    for (const connection of [...this.#idle]) connection.destroy()
  }

  /** Destroys all connections; the exchanges on them fail. */
  close(): void {
    // Those who wait first, or each connection that goes would be replaced for one of them.
    for (const { waiter } of this.#waiting.splice(0)) waiter.onFailure('closed')
    this.retire()
    for (const connection of [...this.#all]) connection.destroy()
    this.http2.close()
  }

  onConnectionIdle(connection: UpstreamConnection): void {
    const next = this.#waiting.shift()
    if (next !== undefined) next.waiter.onConnection(connection)
    else if (this.#closed) connection.destroy()
    else this.#idle.push(connection)
  }

  onConnectionClosed(connection: UpstreamConnection): void {
    this.#all.delete(connection)
    const index = this.#idle.lastIndexOf(connection)
    if (index !== -1) this.#idle.splice(index, 1)
    const next = this.#waiting.shift()
    if (next !== undefined) next.waiter.onConnection(this.#open())
  }

  #open(): UpstreamConnection {
    const connection = new UpstreamConnection(this.origin, this, this.#limits, this.#ticker, this.#security)
    this.#all.add(connection)
    return connection
  }
}

/** An exchange that can be made to wait for a connection. */
export type UpstreamWaiter = Pick<UpstreamExchange, 'onFailure'> & {
  onConnection(connection: UpstreamConnection): void
}

/** What a target does at the moment. */
export type TargetCounts = {
  readonly connections: number
  readonly idle: number
  readonly waiting: number
  /** Left alone, as far as there are others. */
  readonly out: boolean
}

/** What a target has beyond a place: all of it optional. */
export type TargetOptions = {
  readonly ejection?: EjectionRule
  readonly probe?: ProbeRule | undefined
  readonly security?: UpstreamSecurity | undefined
  /** Told when the target is left alone, and when it is not any more. */
  readonly tell?: (change: HealthChange) => void
}

const usualEjection: EjectionRule = { after: 5, forMs: 10_000 }

type Waiting = { readonly waiter: UpstreamWaiter; readonly deadlineMs: number }

/** Less than the idle timeout of any server we know of. */
const recentMs = 1_000
