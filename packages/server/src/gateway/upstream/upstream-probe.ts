import type { UpstreamSecurity } from './dial.ts'
import type { GatewayLimits } from '../front/limits.ts'
import type { ResponseHead } from './response-head.ts'
import type { Ticker } from '../front/ticker.ts'
import { UpstreamConnection } from './upstream-connection.ts'
import type { UpstreamExchange } from './upstream-connection.ts'
import type { UpstreamOrigin } from './upstream-origin.ts'

/** How a target is asked whether it is well. Times in milliseconds. */
export type ProbeRule = {
  /** Asked for with GET, below the path of the target's URL; any 2xx means well. */
  readonly path: string
  readonly everyMs: number
  readonly timeoutMs: number
  /** So many good answers in a row bring a target back, so many bad ones put it out. */
  readonly wellAfter: number
  readonly outAfter: number
}

/** Asks one target at its interval whether it is well, on a connection of its own: a full target is not a sick one. */
export class UpstreamProbe {
  readonly #origin: UpstreamOrigin
  readonly #rule: ProbeRule
  readonly #limits: GatewayLimits
  readonly #ticker: Ticker
  readonly #security: UpstreamSecurity | undefined
  readonly #tell: (isWell: boolean) => void
  #connection: UpstreamConnection | undefined
  #nextMs = 0
  #isWell = true
  /** Answers in a row that say other than `#isWell`. */
  #against = 0

  /** @param tell called when the verdict changes; well to begin with */
  constructor(
    { origin, limits, ticker, security }: ProbedTarget,
    rule: ProbeRule,
    tell: (isWell: boolean) => void,
  ) {
    this.#origin = origin
    this.#rule = rule
    this.#limits = { ...limits, connectMs: rule.timeoutMs, replyHeadMs: rule.timeoutMs }
    this.#ticker = ticker
    this.#security = security
    this.#tell = tell
  }

  /** Called once a tick. */
  sweep(nowMs: number): void {
    if (this.#connection !== undefined) this.#connection.sweep(nowMs)
    else if (nowMs >= this.#nextMs) this.#ask(nowMs)
  }

  close(): void {
    this.#nextMs = Infinity
    this.#connection?.abandon()
  }

  #ask(nowMs: number): void {
    // Spread out, so that many gateways do not ask in step.
    this.#nextMs = nowMs + this.#rule.everyMs * (0.9 + Math.random() * 0.2)
    const owner = {
      onConnectionIdle: () => undefined,
      onConnectionClosed: () => (this.#connection = undefined),
    }
    const connection = new UpstreamConnection(this.#origin, owner, this.#limits, this.#ticker, this.#security)
    this.#connection = connection
    const exchange: UpstreamExchange = {
      onReplyHead: ({ status }: ResponseHead) => {
        this.#answered(status >= 200 && status < 300)
        connection.abandon()
      },
      onReplyBody: () => false,
      onReplyFlush: () => false,
      onReplyEnd: () => false,
      onFailure: () => this.#answered(false),
      onUpstreamDrain: () => undefined,
      stalledByClient: () => false,
      sweep: () => undefined,
    }
    connection.begin(exchange, false, true)
    connection.write(
      `GET ${this.#origin.basePath}${this.#rule.path} HTTP/1.1\r\nHost: ${this.#origin.authority}\r\n` +
        'User-Agent: countersign-probe\r\nConnection: close\r\n\r\n',
    )
    connection.endRequest()
  }

  #answered(isWell: boolean): void {
    if (this.#nextMs === Infinity) return
    if (isWell === this.#isWell) {
      this.#against = 0
      return
    }
    this.#against += 1
    if (this.#against < (isWell ? this.#rule.wellAfter : this.#rule.outAfter)) return
    this.#isWell = isWell
    this.#against = 0
    this.#tell(isWell)
  }
}

export type ProbedTarget = {
  readonly origin: UpstreamOrigin
  readonly limits: GatewayLimits
  readonly ticker: Ticker
  readonly security?: UpstreamSecurity | undefined
}
