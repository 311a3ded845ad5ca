import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Writable } from 'node:stream'
import type { Socket } from 'node:net'
import { plainAddress } from '../../net/address.ts'
import { burst } from './burst.ts'
import type { Arrival } from './burst.ts'
import type { GatewayLimits } from './limits.ts'

/**
 * One connection of a client, on which requests are served one after the other: a request that came behind another
 * (pipelining) begins when that one has ended, and never when the connection is to be closed after it. So what stands
 * behind a refused request is never acted on, and one client occupies one upstream connection at a time.
 */
export class ClientConnection implements Arrival {
  readonly socket: Socket
  /** What replies wait in until the client takes them: the socket. */
  readonly outlet: Writable
  /** The peer's address, as the socket has it. */
  readonly address: string
  /** No request is begun any more: the connection closes after the present reply. */
  closing = false
  /** The gateway is closing: each reply that begins from now on says that the connection closes. */
  retired = false
  readonly #limits: GatewayLimits
  #turn: Turn | undefined
  /** What serves the request that is next, at the end of this turn of the event loop. */
  #arrived: (() => void) | undefined
  /** Of the request that was begun last. */
  #reply: ServerResponse | undefined
  /** The socket ends when what waits in it does not move. */
  #watched = false
  #closeAtEnd = false
  readonly #waiting: { readonly response: ServerResponse; readonly serve: () => void }[] = []

  constructor(socket: Socket, limits: GatewayLimits) {
    this.socket = socket
    this.outlet = socket
    this.address = plainAddress(socket.remoteAddress ?? 'unknown')
    this.#limits = limits
    socket.on('close', () => this.#closed())
  }

  /** A request is being served, or is about to be. */
  get busy(): boolean {
    return this.#turn !== undefined || this.#arrived !== undefined
  }

  /**
   * A request is being served, waits, or its reply is still on its way out: one that was refused at once has ended by then,
   * and holds the connection all the same.
   */
  get owesReply(): boolean {
    const isLeaving = this.#reply !== undefined && this.#reply.socket !== null
    return this.busy || this.#waiting.length > 0 || isLeaving
  }

  /** Whether the present reply has begun to leave. */
  get replying(): boolean {
    return this.#turn?.replying === true
  }

  /** A request is served until `end`. */
  begin(turn: Turn): void {
    this.#turn = turn
    if (!this.#watched) return
    this.#watched = false
    this.socket.setTimeout(0)
  }

  /** The request is served; the next one's turn. */
  end(): void {
    this.#turn = undefined
    this.ended()
    if (this.#closeAtEnd) {
      this.closing = true
      this.socket.destroySoon()
    }
    if (this.#waiting.length > 0) this.#next()
  }

  /** Nothing more of a reply is to come: what of it the client has not taken is not kept for it for ever. */
  ended(): void {
    if (this.socket.writableLength === 0) return
    this.#watched = true
    // Node destroys a socket of its server's that does nothing for so long; with the reply gone its keep-alive counts.
    this.socket.setTimeout(this.#limits.clientStallMs)
  }

  /**
   * Takes a request, to serve it with what else arrives in this turn of the event loop, or when those before it are served
   * and their replies have left. Only then is its response connected to the socket, so that how much of it waits to be sent
   * can be seen there.
   */
  take(response: ServerResponse, serve: () => void): void {
    // Behind a request after which the connection closes nothing is served: it may be the tail of a smuggled one.
    if (this.closing) return
    if (!this.busy && this.#waiting.length === 0 && response.socket !== null) {
      this.#arrive(response, serve)
    } else if (this.#waiting.length >= mostWaiting) this.socket.destroy()
    else {
      this.#waiting.push({ response, serve })
      if (this.#waiting.length === 1) this.#next()
    }
  }

  /** The turn of the request that has arrived. */
  serve(): void {
    const serve = this.#arrived
    this.#arrived = undefined
    // The client has left meanwhile.
    if (serve === undefined || this.socket.destroyed) return
    serve()
    // Answered at once.
    if (this.#waiting.length > 0) this.#next()
  }

  /**
   * Lets the connection end in peace: after the present reply, or else soon, since a request may be on its way that the
   * client sent before it could know.
   *
   * @param patientMs how long to wait for one more request, whose reply can say that the connection closes. With 0, for
   *   as long as one is on its way, and no connection stays whose reply has left.
   */
  retire(patientMs: number): void {
    this.retired = true
    // Its head has said already that the connection stays, so nobody else will close it.
    if (this.replying && patientMs === 0) this.#closeAtEnd = true
    else if (this.replying || !this.busy) {
      const waitMs = Math.max(patientMs, lastRequestMs)
      // After a look at what has come meanwhile: a process that stood still hears its timers first.
      const close = (): void => void setImmediate(() => this.busy || this.socket.destroySoon())
      setTimeout(close, waitMs).unref()
    }
  }

  /** Ends what is being served, because the client cannot be answered any more. */
  abort(): void {
    this.closing = true
    this.#waiting.length = 0
    this.#arrived = undefined
    const turn = this.#turn
    this.#turn = undefined
    turn?.abort()
  }

  /**
   * Ends a reply whose request may still be arriving. The rest of it is read on for a while, since a connection
   * closed on unread bytes is reset, and the client might never see the reply.
   *
   * @param unread whether the request's body has not ended
   */
  endReply(request: ClientRequest, response: ClientReply, unread: boolean): void {
    if (!response.shouldKeepAlive) this.closing = true
    if (!unread) {
      response.end()
      return
    }
    // Otherwise Node closes the connection as soon as the reply is out.
    const endLater = this.closing
    if (!endLater) response.end()
    let left = this.#limits.unreadBytes
    const timer = setTimeout(() => stop(true), this.#limits.unreadMs)
    const stop = (tooMuch: boolean): void => {
      clearTimeout(timer)
      request.removeAllListeners('data')
      if (endLater && !response.writableEnded) response.end()
      if (!tooMuch) return
      this.closing = true
      this.socket.destroySoon()
    }
    request.removeAllListeners('data')
    request.on('data', (chunk: Buffer) => {
      left -= chunk.length
      if (left < 0) stop(true)
    })
    request.on('end', () => stop(false))
    request.on('close', () => stop(false))
    request.resume()
  }

  /** Cuts the client off in the middle of a reply, so that it cannot take it for complete (RFC 9112 §8). */
  cut(): void {
    this.closing = true
    this.socket.resetAndDestroy()
  }

  #next(): void {
    if (this.busy || this.closing) return
    const next = this.#waiting[0]
    if (next === undefined) return
    if (next.response.socket === null) {
      next.response.once('socket', () => process.nextTick(() => this.#next()))
      return
    }
    this.#waiting.shift()
    this.#arrive(next.response, next.serve)
  }

  #arrive(response: ServerResponse, serve: () => void): void {
    this.#reply = response
    this.#arrived = serve
    burst.arrive(this)
  }

  #closed(): void {
    this.abort()
  }
}

/** Who is answered: a connection of HTTP/1, or one stream of a connection of HTTP/2. */
export type Client = Pick<
  ClientConnection,
  'address' | 'begin' | 'closing' | 'cut' | 'end' | 'ended' | 'endReply' | 'outlet' | 'retired' | 'socket'
>

/** The parts of a request that are read, whatever version of HTTP it came by. */
export type ClientRequest = Pick<
  IncomingMessage,
  'headers' | 'httpVersionMajor' | 'httpVersionMinor' | 'method' | 'rawHeaders' | 'url'
> & {
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  on(event: 'end' | 'close', listener: () => void): unknown
  removeAllListeners(event: 'data'): unknown
  pause(): unknown
  resume(): unknown
}

/** The parts of a reply that are written, whatever version of HTTP it goes by. */
export type ClientReply = Pick<
  ServerResponse,
  | 'destroyed'
  | 'headersSent'
  | 'shouldKeepAlive'
  | 'statusCode'
  | 'useChunkedEncodingByDefault'
  | 'writableEnded'
> & {
  /** HTTP/2 only; undefined where trailers are dropped. */
  trailing?: ReplyTrailing
  on(event: 'close', listener: () => void): unknown
  /** @param headers names and values in turns */
  writeHead(status: number, headers: string[]): unknown
  write(chunk: Buffer | string): unknown
  end(): unknown
  end(text: string): unknown
  end(text: string, encoding: 'latin1'): unknown
  cork(): void
  uncork(): void
  flushHeaders(): void
  writeContinue(): void
}

/** How a reply over HTTP/2 ends. */
export type ReplyTrailing = {
  /** With its head. */
  ended: boolean
  /** Perhaps with trailers; said before the head. */
  wanted: boolean
  /** Names and values in turns, known before the end. */
  lines: readonly string[]
}

/** A request being served. */
export type Turn = {
  /** Whether any byte of the reply has been handed over. */
  readonly replying: boolean
  /** The client is gone: stop and release everything. */
  abort(): void
}

/** Longer than a request needs over a network at hand. */
const lastRequestMs = 100
/** More requests than this behind one that is not answered is no client of ours; each may hold a head of 32 KiB. */
const mostWaiting = 100
