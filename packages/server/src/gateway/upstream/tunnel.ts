import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Denial } from '@countersign/sdk/core'
import type { Client, ClientReply, ClientRequest, Turn } from '../front/client-connection.ts'
import { isTlsError, standsEvent } from './dial.ts'
import { replyHeaders } from './headers.ts'
import type { ExchangeFailure } from './failures.ts'
import type { GatewayLimits } from '../front/limits.ts'
import { parseResponseHead } from './response-head.ts'
import type { ResponseHead } from './response-head.ts'
import type { Upstream } from './upstream.ts'
import type { UpstreamPool } from './upstream-pool.ts'

/** An allowed WebSocket handshake on its way. */
export type Tunnelling = {
  readonly client: Client
  readonly request: ClientRequest
  readonly response: ClientReply
  /** Path and query, below the path of the target's URL. */
  readonly target: string
  /** The header lines but Host, Connection and Upgrade, and the empty line behind them. */
  readonly fields: string
  readonly pool: UpstreamPool
  readonly rule: TunnelRule
  /** How long the token it was allowed by is still good, milliseconds; undefined: as long as it likes. */
  readonly lifeMs: number | undefined
  /** Why the token would not be let in any more; asked again and again. Undefined: there is none. */
  readonly withdrawn: (() => Promise<Denial | undefined>) | undefined
  readonly limits: GatewayLimits
  /** We have closed it, though neither side has left. */
  closed(reason: TunnelEnd, detail: string): void
  fail(failure: ExchangeFailure, upstream: Upstream): void
}

/** Why a WebSocket was closed by us. */
export type TunnelEnd = Denial['reason'] | 'keys-unavailable' | 'idle'

export type TunnelRule = { readonly connections: number; readonly idleMs: number }

/**
 * Takes a WebSocket handshake (RFC 6455 §4) to an upstream. Bytes pass only once it has agreed: 101, with the answer to
 * the very key the client sent. Until then what the client sends is not read, and after any other reply nothing is
 * (RFC 9931): it might be a request of its own that nobody has authorised.
 */
export function openTunnel(tunnelling: Tunnelling): void {
  const { client, fail, pool, rule } = tunnelling
  // Of those that have not been tried there is always one.
  const upstream = pool.pick(false)!
  if (pool.tunnels >= rule.connections) {
    fail('wait-full', upstream)
    return client.end()
  }
  pool.tunnels += 1
  const tunnel = new Tunnel(tunnelling, upstream)
  client.begin(tunnel)
}

class Tunnel implements Turn {
  replying = false
  readonly #of: Tunnelling
  readonly #upstream: Upstream
  readonly #socket: Socket
  #head: Buffer = Buffer.alloc(0)
  #timer: NodeJS.Timeout
  #checks: NodeJS.Timeout | undefined
  #over = false

  constructor(of: Tunnelling, upstream: Upstream) {
    this.#of = of
    this.#upstream = upstream
    const { limits, target, fields } = of
    const socket = upstream.dial('http/1.1')
    this.#socket = socket
    this.#timer = setTimeout(() => this.#fail('connect-timeout'), limits.connectMs)
    socket.once(standsEvent(upstream.origin), () => {
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => this.#fail('reply-timeout'), limits.replyHeadMs)
      const { authority, basePath } = upstream.origin
      socket.write(
        `GET ${basePath}${target} HTTP/1.1\r\nHost: ${authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${fields}`,
        'latin1',
      )
    })
    socket.on('data', this.#onData)
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (upstream.origin.tls && isTlsError(error)) this.#fail('tls-failed')
      else this.#fail(socket.connecting ? 'unreachable' : 'closed')
    })
    socket.on('close', () => this.#fail('closed'))
  }

  /** The client is gone. */
  abort(): void {
    this.#end()
  }

  readonly #onData = (piece: Buffer): void => {
    this.#head = this.#head.length === 0 ? piece : Buffer.concat([this.#head, piece])
    const head = parseResponseHead(this.#head, 0)
    if (head === 'incomplete') {
      if (this.#head.length > this.#of.limits.replyHeadBytes) this.#fail('head-oversize')
    } else if (typeof head === 'string') this.#fail(head)
    else if (head.status === 101) this.#agreed(head)
    else if (head.status < 200) this.#fail('interim-excess')
    else this.#refused(head)
  }

  #agreed(head: ResponseHead): void {
    const { client, request, response, rule, lifeMs, withdrawn, limits } = this.#of
    if (!isAnswerTo(request, head)) return this.#fail('upgrade-malformed')
    this.#upstream.health.succeeded()
    clearTimeout(this.#timer)
    const behind = this.#head.subarray(head.end)
    this.#head = behind
    this.replying = true
    response.writeHead(101, [...replyHeaders(head), 'Connection', 'Upgrade', 'Upgrade', 'websocket'])
    response.flushHeaders()
    const socket = this.#socket
    socket.off('data', this.#onData)
    if (behind.length > 0) client.socket.write(behind)
    socket.pipe(client.socket)
    client.socket.pipe(socket)
    // Every byte passes both sockets, so one of them knows.
    socket.setTimeout(rule.idleMs, () => this.#close('idle', ''))
    if (lifeMs !== undefined) {
      const expired = (): void => this.#close('token-expired', 'its token has expired')
      this.#timer = setTimeout(expired, Math.min(lifeMs, longestTimerMs))
    }
    this.#timer.unref()
    if (withdrawn !== undefined) {
      this.#checks = setInterval(() => void this.#check(withdrawn), limits.tunnelCheckMs).unref()
    }
  }

  /** What cannot be told is no: who came now would not be let in either. */
  async #check(withdrawn: () => Promise<Denial | undefined>): Promise<void> {
    try {
      const denial = await withdrawn()
      if (denial !== undefined) this.#close(denial.reason, denial.detail)
    } catch (error) {
      this.#close('keys-unavailable', error instanceof Error ? error.message : 'nobody can tell')
    }
  }

  #close(reason: TunnelEnd, detail: string): void {
    if (this.#over) return
    this.#end()
    this.#of.closed(reason, detail)
  }

  /** Another answer than yes is passed on, and the connection ends with it. */
  #refused(head: ResponseHead): void {
    const { client, request, response } = this.#of
    this.#upstream.health.succeeded()
    // Long bodies of refusals are nobody's business; so they are left out.
    this.#end(false)
    const length = head.status === 204 || head.status === 304 ? [] : ['Content-Length', '0']
    response.writeHead(head.status, [...replyHeaders(head), ...length, 'Connection', 'close'])
    client.endReply(request, response, false)
    client.end()
  }

  #fail(failure: ExchangeFailure): void {
    if (this.#over) return
    if (this.replying) return this.#end()
    if (failure !== 'wait-full') this.#upstream.health.failed(performance.now())
    this.#end(false)
    this.#of.fail(failure, this.#upstream)
    this.#of.client.end()
  }

  /** @param closes whether the client's connection ends with it, without another word */
  #end(closes = true): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#timer)
    clearInterval(this.#checks)
    const { client, pool } = this.#of
    pool.tunnels -= 1
    this.#socket.destroy()
    if (!closes) return
    client.closing = true
    client.end()
    client.socket.destroySoon()
  }
}

/** RFC 6455 §4.1: Upgrade, Connection, and the hash of the client's key. */
function isAnswerTo(request: ClientRequest, head: ResponseHead): boolean {
  const accept = valueOf(head.headers, 'sec-websocket-accept')
  return (
    valueOf(head.headers, 'upgrade')?.toLowerCase() === 'websocket' &&
    head.connectionNames?.includes('upgrade') === true &&
    accept === acceptOf(valueOf(request.rawHeaders, 'sec-websocket-key') ?? '')
  )
}

/** What an endpoint that speaks WebSocket answers to a key (RFC 6455 §4.2.2). */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/**
 * What is wrong with a handshake: it needs one key of 16 bytes and version 13. Where a cookie may be the token, any page
 * could open one in its visitor's name, so it must come from a page of the same host.
 */
export function handshakeFault(rawHeaders: readonly string[], takesCookies: boolean): string | undefined {
  const key = valueOf(rawHeaders, 'sec-websocket-key')
  if (key?.length !== 24 || Buffer.from(key, 'base64').length !== 16) return 'no WebSocket key, or two'
  if (valueOf(rawHeaders, 'sec-websocket-version') !== '13') return 'another WebSocket version than 13'
  const origin = valueOf(rawHeaders, 'origin')
  const host = valueOf(rawHeaders, 'host')
  if (takesCookies && origin !== `http://${host}` && origin !== `https://${host}`) {
    return 'a WebSocket that a page of another origin opens'
  }
  return undefined
}

/** The value of a header that stands there once. */
function valueOf(headers: readonly string[], lowerName: string): string | undefined {
  let found: string | undefined
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]!.toLowerCase() !== lowerName) continue
    if (found !== undefined) return undefined
    found = headers[i + 1]!
  }
  return found
}

const longestTimerMs = 2 ** 31 - 1
