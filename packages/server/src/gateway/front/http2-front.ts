import { constants, performServerHandshake } from 'node:http2'
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream, ServerOptions } from 'node:http2'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { plainAnswer, sendAnswer } from './answer.ts'
import { plainAddress } from '../../net/address.ts'
import { Http2Stream, replyOf, requestOf } from './http2-stream.ts'
import type { GatewayLimits } from './limits.ts'
import type { Serve } from './listen.ts'

/** HTTP/2 towards clients, on connections that have agreed on it in their TLS handshake. */
export class Http2Front {
  readonly #limits: GatewayLimits
  readonly #serve: Serve
  readonly #sessions = new Set<ServerHttp2Session>()
  #retired = false

  constructor(limits: GatewayLimits, serve: Serve) {
    this.#limits = limits
    this.#serve = serve
  }

  accept(socket: TLSSocket): void {
    const session = performServerHandshake(socket, sessionOptions(this.#limits))
    const address = plainAddress(socket.remoteAddress ?? 'unknown')
    this.#sessions.add(session)
    // Its handshake was under way when we said goodbye to all others.
    if (this.#retired) setTimeout(() => session.close(), lateMs).unref()
    session.on('close', () => this.#sessions.delete(session))
    // Bytes that are no HTTP/2, or a client that is gone: the session ends, and there is nobody to tell.
    session.on('error', () => undefined)
    session.on('stream', (stream, headers, flags, rawHeaders) => {
      this.#stream(stream, headers, flags, rawHeaders, socket, address)
    })
    let open = 0
    const { clientKeepAliveMs, clientStreams } = this.#limits
    const resets = resetBudget(clientStreams)
    session.on('stream', (stream) => {
      open += 1
      stream.once('close', () => {
        open -= 1
        // Its clock may have run out while the last stream was quiet, and a reset does not wind it up.
        if (open === 0 && !session.destroyed) session.setTimeout(clientKeepAliveMs)
        if (!stream.aborted || resets.allow(performance.now())) return
        session.destroy()
        socket.destroy()
      })
    })
    session.setTimeout(clientKeepAliveMs)
    session.on('timeout', () => open === 0 && session.close())
  }

  /**
   * Says goodbye on each connection: what is under way may end, nothing new begins. A request that meets the goodbye on
   * its way is told to be none that we have seen, so the client can send it again (RFC 9113 §6.8).
   */
  retire(): void {
    this.#retired = true
    for (const session of this.#sessions) session.close()
  }

  destroy(): void {
    for (const session of this.#sessions) session.destroy()
  }

  #stream(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    flags: number,
    rawHeaders: readonly string[],
    socket: Socket,
    address: string,
  ): void {
    const { clientStallMs } = this.#limits
    const client = new Http2Stream(stream, socket, address, clientStallMs, () => this.#retired)
    const ended = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
    const request = requestOf(stream, headers, rawHeaders, ended)
    const response = replyOf(stream)
    const expect = headers.expect?.toLowerCase()
    if (expect !== undefined && expect !== '100-continue') {
      return sendAnswer(plainAnswer(417), client, request, response, { unread: !ended, close: false })
    }
    this.#serve(client, request, response, expect !== undefined, false)
  }
}

/**
 * How many streams a client may reset: as many at once as it may have, and a third of that a second. A reset costs a client
 * nothing and us a request (CVE-2023-44487). Node counts them as well, but Node 24 not on connections that it was handed.
 */
function resetBudget(streams: number): { allow(nowMs: number): boolean } {
  const everyMs = 3000 / streams
  let paidUntilMs = 0
  return {
    allow(nowMs) {
      paidUntilMs = Math.max(paidUntilMs, nowMs) + everyMs
      return paidUntilMs - nowMs <= streams * everyMs
    },
  }
}

/** For the first requests of a connection that came as the last. */
const lateMs = 1_000

function sessionOptions(limits: GatewayLimits): ServerOptions {
  return {
    settings: {
      enablePush: false,
      maxConcurrentStreams: limits.clientStreams,
      maxHeaderListSize: limits.requestHeadBytes,
    },
    // One more would be refused by the gate; pseudo-headers and cookies in pieces come on top.
    maxHeaderListPairs: 128,
    streamResetBurst: limits.clientStreams,
    streamResetRate: Math.max(1, Math.floor(limits.clientStreams / 3)),
    maxSessionInvalidFrames: 100,
    strictSingleValueFields: false,
  }
}
