import { connect, constants } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'
import { isTlsError } from './dial.ts'
import type { GatewayLimits } from '../front/limits.ts'
import type { UpstreamFailure } from './upstream-connection.ts'
import type { UpstreamOrigin } from './upstream-origin.ts'

/**
 * HTTP/2 towards one target: one connection carries all streams, and a new one is made when it says goodbye. Above https
 * both agree on it in the handshake; above http both have to know (RFC 9113 §3.3).
 */
export class Http2Upstream {
  readonly #origin: UpstreamOrigin
  readonly #limits: GatewayLimits
  readonly #dial: () => Socket
  /** Each with the number of its streams. */
  readonly #sessions = new Map<ClientHttp2Session, number>()
  #current: ClientHttp2Session | undefined
  #closed = false
  /** How the present connection has failed. */
  #attempt: Attempt = { failure: undefined }
  /** A stream that has ended does not know its connection any more. */
  readonly #failures = new WeakMap<ClientHttp2Stream, Attempt>()
  /** Streams under way. */
  open = 0

  constructor(origin: UpstreamOrigin, limits: GatewayLimits, dial: () => Socket) {
    this.#origin = origin
    this.#limits = limits
    this.#dial = dial
  }

  /** @throws whatever Node says of headers it does not take */
  request(headers: OutgoingHttpHeaders, endStream: boolean): ClientHttp2Stream {
    let session = this.#current
    if (session === undefined || session.closed || session.destroyed) session = this.#connect()
    const stream = session.request(headers, { endStream })
    this.#failures.set(stream, this.#attempt)
    const used = session
    this.open += 1
    this.#sessions.set(used, (this.#sessions.get(used) ?? 0) + 1)
    stream.once('close', () => {
      this.open -= 1
      this.#left(used)
    })
    return stream
  }

  /** Why a stream came to nothing. */
  failureOf(stream: ClientHttp2Stream): UpstreamFailure {
    const { failure, lastSeen = Infinity } = this.#failures.get(stream) ?? {}
    if (failure !== undefined) return failure
    // Not sent, sent behind the goodbye, or refused by itself: in each case nobody has acted on it (RFC 9113 §6.8, §8.7).
    if (stream.id === undefined || stream.id > lastSeen) return 'refused'
    if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) return 'refused'
    return stream.rstCode === constants.NGHTTP2_NO_ERROR ? 'cut-short' : 'closed'
  }

  /**
   * An answer has not come in time. A connection that has silently died would take every further request with it, so it is
   * asked whether it lives (RFC 9113 §6.7).
   */
  doubt(stream: ClientHttp2Stream): void {
    const { session } = stream
    if (session === undefined || session.closed || session.destroyed) return
    const timer = setTimeout(() => session.destroy(), this.#limits.connectMs)
    session.ping(() => clearTimeout(timer))
  }

  get connections(): number {
    return this.#sessions.size
  }

  /** Each connection ends with its last stream. */
  retire(): void {
    this.#closed = true
    for (const session of this.#sessions.keys()) session.close()
  }

  close(): void {
    this.#closed = true
    for (const session of this.#sessions.keys()) session.destroy()
  }

  #connect(): ClientHttp2Session {
    const { tls, authority } = this.#origin
    const attempt: Attempt = { failure: undefined }
    this.#attempt = attempt
    let connected = false
    const session = connect(`${tls ? 'https' : 'http'}://${authority}`, {
      createConnection: () =>
        // Heard before Node does, which ends the streams at once.
        this.#dial().on('error', (error: NodeJS.ErrnoException) => {
          if (tls && isTlsError(error)) attempt.failure ??= 'tls-failed'
          else if (!connected) attempt.failure ??= 'unreachable'
        }),
      settings: { enablePush: false, maxHeaderListSize: this.#limits.replyHeadBytes },
      maxHeaderListPairs: 256,
    })
    this.#current = session
    this.#sessions.set(session, 0)
    const timer = setTimeout(() => {
      attempt.failure = 'connect-timeout'
      session.destroy()
    }, this.#limits.connectMs)
    session.once('connect', () => {
      connected = true
      clearTimeout(timer)
      if (this.#closed) session.close()
    })
    session.on('goaway', (_code, lastStreamId: number) => void (attempt.lastSeen = lastStreamId))
    // Its streams tell those who wait for them.
    session.on('error', () => undefined)
    session.once('close', () => {
      clearTimeout(timer)
      this.#sessions.delete(session)
      if (this.#current === session) this.#current = undefined
    })
    session.setTimeout(this.#limits.upstreamKeepAliveMs)
    session.on('timeout', () => this.#sessions.get(session) === 0 && session.close())
    return session
  }

  #left(session: ClientHttp2Session): void {
    const streams = this.#sessions.get(session)
    if (streams === undefined) return
    this.#sessions.set(session, streams - 1)
    // From now on nobody uses it. Its clock may have run out while the last stream was quiet, and a reset does not wind it up.
    if (streams === 1 && !session.destroyed) session.setTimeout(this.#limits.upstreamKeepAliveMs)
  }
}

type Attempt = {
  failure: UpstreamFailure | undefined
  /** The last of our streams that the target has seen, once it has said goodbye. */
  lastSeen?: number
}
