import type { Socket } from 'node:net'
import { dial, isTlsError, standsEvent } from './dial.ts'
import type { UpstreamSecurity } from './dial.ts'
import type { GatewayLimits } from '../front/limits.ts'
import type { ResponseHead } from './response-head.ts'
import { ResponseParser } from './response-parser.ts'
import type { ResponseFault, ResponseFraming, ResponseSink } from './response-parser.ts'
import type { Ticker } from '../front/ticker.ts'
import type { UpstreamOrigin } from './upstream-origin.ts'

/**
 * One connection to an upstream, carrying one exchange at a time. It goes back to its owner only after an exchange
 * that ended cleanly on both sides; after anything else it is destroyed, so that no reply can reach a wrong caller.
 */
export class UpstreamConnection implements ResponseSink {
  /** Anything but 'open' means: not to be used any more. */
  state: 'connecting' | 'open' | 'closed' = 'connecting'
  /** Whether an exchange before the present one ran on this connection. */
  reused = false
  /** Whether the present exchange has got any byte of a reply. */
  replied = false
  /** When to stop keeping this connection idle; on the ticker's scale. */
  idleUntilMs = 0
  /** When it last became idle; on the ticker's scale. */
  idleSinceMs = 0
  readonly #socket: Socket
  readonly #parser: ResponseParser
  readonly #owner: ConnectionOwner
  readonly #tls: boolean
  readonly #limits: GatewayLimits
  readonly #ticker: Ticker
  #exchange: UpstreamExchange | undefined
  #requestOpen = false
  #last = false
  #paused = false
  #keepAliveSeconds: number | undefined
  #deadlineMs: number
  #deadlineFailure: UpstreamFailure = 'connect-timeout'
  #failure: UpstreamFailure | undefined
  #buffer = newBuffer()
  #bufferKept = false

  /** @param security for https: whom to believe and who we are; what the machine trusts, and nobody, unless given */
  constructor(
    origin: UpstreamOrigin,
    owner: ConnectionOwner,
    limits: GatewayLimits,
    ticker: Ticker,
    security?: UpstreamSecurity,
  ) {
    this.#owner = owner
    this.#tls = origin.tls
    this.#limits = limits
    this.#ticker = ticker
    this.#deadlineMs = ticker.nowMs + limits.connectMs
    this.#parser = new ResponseParser(this, limits.replyHeadBytes)
    const socket = dial(origin, 'http/1.1', security, ticker.nowMs, {
      // One buffer is read into again and again, unless the writer to the client still holds it.
      buffer: () => {
        if (this.#bufferKept) {
          this.#buffer = newBuffer()
          this.#bufferKept = false
        }
        return this.#buffer
      },
      callback: (length: number) => this.#read(length),
    })
    socket.once(standsEvent(origin), () => this.#connected())
    socket.on('drain', () => this.#exchange?.onUpstreamDrain())
    socket.on('end', () => this.#ended())
    socket.on('error', (error: NodeJS.ErrnoException) => this.#broken(error))
    socket.on('close', () => this.#closed())
    this.#socket = socket
  }

  /**
   * Starts an exchange, which then writes its request.
   *
   * @param isHead the reply has no body, whatever its head says
   * @param last the connection must not carry another exchange
   */
  begin(exchange: UpstreamExchange, isHead: boolean, last: boolean): void {
    this.#last = last
    this.#exchange = exchange
    this.#requestOpen = true
    this.#paused = false
    this.replied = false
    this.#keepAliveSeconds = undefined
    this.#parser.expect(isHead)
    this.#awaitHead()
  }

  /** Writes part of a request. @returns false when the exchange should wait for `onUpstreamDrain` */
  write(part: string | Buffer): boolean {
    this.#awaitHead()
    return typeof part === 'string' ? this.#socket.write(part, 'latin1') : this.#socket.write(part)
  }

  /** Writes of one turn leave together. */
  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }

  /** The request is complete. */
  endRequest(): void {
    this.#requestOpen = false
    if (this.#parser.busy) this.#awaitHead()
  }

  /** Stops reading the reply, because the client does not take it. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#deadlineMs = this.#ticker.nowMs + this.#limits.replyStallMs
    this.#deadlineFailure = 'reply-stalled'
    this.#socket.resume()
  }

  /** Drops the exchange, and with it the connection: what is left of the reply must not meet the next request. */
  abandon(): void {
    this.#exchange = undefined
    this.destroy()
  }

  destroy(): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.#socket.destroy()
    this.#owner.onConnectionClosed(this)
  }

  /** Called once a tick. */
  sweep(nowMs: number): void {
    const exchange = this.#exchange
    if (this.state === 'connecting' || exchange !== undefined) {
      if (this.state !== 'connecting' && exchange?.stalledByClient() === true) {
        // Not the upstream's fault: the exchange keeps its own deadline, ours starts when it goes on.
        this.#deadlineMs = nowMs + this.#limits.replyStallMs
        exchange.sweep(nowMs)
      } else if (nowMs >= this.#deadlineMs) {
        this.#fail(this.#deadlineFailure)
      }
    } else if (nowMs >= this.idleUntilMs) {
      this.destroy()
    }
  }

  head(head: ResponseHead, framing: ResponseFraming): void {
    this.#keepAliveSeconds = head.keepAliveSeconds
    this.#deadlineFailure = 'reply-stalled'
    this.#exchange?.onReplyHead(head, framing)
  }

  body(chunk: Buffer): void {
    if (this.#exchange?.onReplyBody(chunk) === true) this.#bufferKept = true
  }

  end(): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    if (exchange?.onReplyEnd() === true) this.#bufferKept = true
  }

  #connected(): void {
    if (this.state !== 'connecting') return
    this.state = 'open'
    if (this.#exchange === undefined) this.#becomeIdle()
    else this.#awaitHead()
  }

  #awaitHead(): void {
    if (this.state === 'connecting') return
    if (!this.replied) {
      this.#deadlineMs = this.#ticker.nowMs + this.#limits.replyHeadMs
      this.#deadlineFailure = 'reply-timeout'
    }
  }

  /** @returns false to stop reading */
  #read(length: number): boolean {
    try {
      return this.#take(length)
    } catch (defect) {
      // Ours, and no reason to take everybody else's exchanges down as well.
      this.#fail('defect', defect)
      return false
    }
  }

  #take(length: number): boolean {
    if (this.state === 'closed') return false
    const bytes = this.#buffer.subarray(0, length)
    this.replied = true
    const fault = this.#parser.push(bytes)
    if (fault !== undefined) {
      this.#fail(fault)
      return false
    }
    if (!this.#parser.busy) {
      this.#settle()
      return true
    }
    // Only progress of the body counts: a head that dribbles in keeps its first deadline.
    if (this.#deadlineFailure === 'reply-stalled') {
      this.#deadlineMs = this.#ticker.nowMs + this.#limits.replyStallMs
      if (this.#exchange?.onReplyFlush() === true) this.#bufferKept = true
    }
    return !this.#paused
  }

  /** The reply is complete. */
  #settle(): void {
    if (this.state === 'closed') return
    if (this.#requestOpen || this.#last || !this.#parser.reusable || this.#socket.writableLength > 0) {
      // Answered before it had everything: where the rest of the body ends up is anybody's guess.
      this.destroy()
      return
    }
    this.reused = true
    this.#becomeIdle()
  }

  #becomeIdle(): void {
    const seconds = this.#keepAliveSeconds
    const keepMs =
      seconds === undefined
        ? this.#limits.upstreamKeepAliveMs
        : // A second less than the upstream says, so that it does not close while our request is on its way.
          Math.min(this.#limits.upstreamKeepAliveMs, (seconds - 1) * 1000)
    if (keepMs <= 0) {
      this.destroy()
      return
    }
    this.idleSinceMs = this.#ticker.nowMs
    this.idleUntilMs = this.idleSinceMs + keepMs
    this.#owner.onConnectionIdle(this)
  }

  /** The upstream closed its side in an orderly way. */
  #ended(): void {
    const replying = this.#parser.busy
    // Where only closing ends a reply, this is its end; else it broke off, or nobody was waiting for one.
    if (this.#parser.close() === undefined && replying) this.destroy()
    else this.#fail('closed')
  }

  #broken(error: NodeJS.ErrnoException): void {
    // Of a certificate refused by the other side TLS 1.3 tells only after the handshake.
    if (this.#tls && isTlsError(error)) this.#fail('tls-failed')
    else this.#fail(this.state === 'connecting' ? 'unreachable' : 'closed')
  }

  #closed(): void {
    this.#fail('closed')
  }

  #fail(failure: UpstreamFailure, defect?: unknown): void {
    this.#failure ??= failure
    const exchange = this.#exchange
    this.#exchange = undefined
    this.destroy()
    exchange?.onFailure(this.#failure, defect)
  }
}

/** What an exchange hears from the connection that carries it. */
export type UpstreamExchange = {
  onReplyHead(head: ResponseHead, framing: ResponseFraming): void
  /** @returns true when the memory of `chunk` is still needed after the call */
  onReplyBody(chunk: Buffer): boolean
  /** All that was read so far has been told; more is to come. @returns as `onReplyBody` */
  onReplyFlush(): boolean
  /** @returns as `onReplyBody` */
  onReplyEnd(): boolean
  /** The connection is gone, and nothing more will come. */
  onFailure(failure: UpstreamFailure, defect?: unknown): void
  onUpstreamDrain(): void
  /** Whether nothing moves because the client does not send or does not take. */
  stalledByClient(): boolean
  /** Called once a tick while that is so. */
  sweep(nowMs: number): void
}

export type ConnectionOwner = {
  onConnectionIdle(connection: UpstreamConnection): void
  onConnectionClosed(connection: UpstreamConnection): void
}

/** Why an exchange with an upstream failed. */
export type UpstreamFailure =
  | 'unreachable'
  | 'tls-failed'
  | 'connect-timeout'
  | 'wait-timeout'
  | 'wait-full'
  | 'refused'
  | 'closed'
  | 'reply-timeout'
  | 'reply-stalled'
  | 'defect'
  | ResponseFault

function newBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(64 * 1024)
}
