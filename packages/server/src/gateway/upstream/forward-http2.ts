import { constants } from 'node:http2'
import type { ClientHttp2Stream } from 'node:http2'
import type { Turn } from '../front/client-connection.ts'
import { isGrpcCall } from '../front/grpc-answer.ts'
import type { ExchangeFailure } from './failures.ts'
import type { Forwarding } from './forward.ts'
import { replyHeaders } from './headers.ts'
import { isRepeatable, ourOwnFailures, retriedFailures } from './repeat.ts'
import { withNonce } from '../decision/sender.ts'
import { isTooSlow } from './upload-pace.ts'
import type { Upstream } from './upstream.ts'

/**
 * Sends a request to a target that speaks HTTP/2, and the reply back, both as they come and both at once: what gRPC needs.
 * Trailers pass to clients of HTTP/2, and are dropped for others. Only what has no body is ever sent again.
 */
export function forwardHttp2(forwarding: Forwarding): void {
  new StreamExchange(forwarding).start()
}

class StreamExchange implements Turn {
  replying = false
  readonly #to: Forwarding
  #upstream: Upstream
  /** Targets that have failed this request. */
  readonly #tried: Upstream[] = []
  /** How often it met a connection that was ending. */
  #renewals = 0
  #stream: ClientHttp2Stream | undefined
  #timer: NodeJS.Timeout | undefined
  #waitsFor: ExchangeFailure = 'reply-timeout'
  #requestComplete: boolean
  #over = false

  constructor(forwarding: Forwarding) {
    this.#to = forwarding
    this.#requestComplete = forwarding.body === 'none' || forwarding.body === 0
    // Of those that have not been tried there is always one.
    this.#upstream = forwarding.pool.pick(this.#repeatable())!
  }

  start(): void {
    this.#to.client.begin(this)
    if (this.#requestComplete) this.#awaitHead()
    this.#send()
  }

  #send(): void {
    const { method, target, fields, limits } = this.#to
    const { origin, http2 } = this.#upstream
    if (http2.open >= limits.upstreamConnections) return this.#failed('wait-full')
    const stream = http2.request(
      {
        ':method': method,
        ':path': origin.basePath + target,
        ':scheme': origin.tls ? 'https' : 'http',
        ':authority': origin.authority,
        ...fieldsOf(fields),
        te: 'trailers',
      },
      this.#requestComplete,
    )
    this.#stream = stream
    stream.on('response', (_headers, flags, rawHeaders) =>
      this.#careful(() => this.#onHead(flags, rawHeaders)),
    )
    stream.on('trailers', (_headers, _flags, rawHeaders) => this.#onTrailers(rawHeaders))
    stream.on('data', (chunk: Buffer) => this.#careful(() => this.#onBody(chunk)))
    stream.on('end', () => this.#careful(() => this.#onEnd()))
    stream.on('timeout', () => this.#careful(() => this.#failed(this.#waitsFor)))
    stream.on('error', () => undefined)
    stream.on('close', () => this.#careful(() => this.#failed(http2.failureOf(stream))))
    if (!this.#requestComplete) this.#upload(stream)
  }

  /** What goes wrong here is no reason to take everybody else's exchanges down as well. */
  #careful(take: () => void): void {
    try {
      take()
    } catch (defect) {
      this.#failed('defect', defect)
    }
  }

  /** The client is gone. */
  abort(): void {
    this.#over = true
    clearTimeout(this.#timer)
    this.#stream?.close(constants.NGHTTP2_CANCEL)
  }

  #upload(stream: ClientHttp2Stream): void {
    const { request, response, expectsContinue, limits, bodyLimitBytes = Infinity } = this.#to
    let left = bodyLimitBytes
    this.#waitFor('client-stalled', limits.clientStallMs)
    const pace = this.#watchPace()
    if (expectsContinue) response.writeContinue()
    request.on('data', (chunk: Buffer) => {
      if (this.#over || stream.destroyed) return
      left -= chunk.length
      if (left < 0) return this.#failed('body-oversize')
      pace.sentBytes += chunk.length
      if (stream.write(chunk)) return
      request.pause()
      pace.pausedMs = performance.now()
      if (!this.replying) this.#waitFor('reply-timeout', this.#upstream.limits.replyHeadMs)
    })
    stream.on('drain', () => {
      if (pace.pausedMs !== 0) pace.startedMs += performance.now() - pace.pausedMs
      pace.pausedMs = 0
      if (!this.replying && !this.#requestComplete) this.#waitFor('client-stalled', limits.clientStallMs)
      request.resume()
    })
    request.on('end', () => {
      this.#requestComplete = true
      if (this.#over) return
      stream.end()
      if (this.replying) return
      stream.setTimeout(0)
      this.#awaitHead()
    })
  }

  /** Not of gRPC: who streams a call says something when there is something to say. */
  #watchPace(): { sentBytes: number; startedMs: number; pausedMs: number } {
    const { request, limits } = this.#to
    const pace = { sentBytes: 0, startedMs: performance.now(), pausedMs: 0 }
    if (isGrpcCall(request)) return pace
    const timer = setInterval(
      () => {
        const { sentBytes, startedMs, pausedMs } = pace
        if (this.#over || this.replying || this.#requestComplete) clearInterval(timer)
        else if (pausedMs === 0 && isTooSlow(sentBytes, performance.now() - startedMs, limits)) {
          clearInterval(timer)
          this.#failed('client-stalled')
        }
      },
      Math.max(10, limits.bodyMs / 4),
    ).unref()
    return pace
  }

  /** What it is called when nothing moves for so long: who is waited for changes in the course of an exchange. */
  #waitFor(failure: ExchangeFailure, ms: number): void {
    this.#waitsFor = failure
    this.#stream!.setTimeout(ms)
  }

  #awaitHead(): void {
    const { replyHeadMs } = this.#upstream.limits
    this.#timer = setTimeout(() => this.#failed('reply-timeout'), replyHeadMs)
  }

  #onHead(flags: number, rawHeaders: readonly string[]): void {
    if (this.#over) return
    const { response } = this.#to
    const head = headOf(rawHeaders)
    // nghttp2 takes any three digits, and what is no status nobody can be told.
    if (!(head.status >= 200 && head.status <= 599)) return this.#failed('status-malformed')
    this.#upstream.health.succeeded()
    clearTimeout(this.#timer)
    this.replying = true
    const { dress, nextNonce } = this.#to
    const told = nextNonce === undefined ? head.headers : withNonce(head.headers, nextNonce)
    if (this.#to.client.retired) response.shouldKeepAlive = false
    if (response.trailing !== undefined) {
      response.trailing.ended = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
      response.trailing.wanted = true
    }
    response.writeHead(head.status, dress === undefined ? told : dress(told))
    // Node would keep the head back until there is a body, and who streams may wait for it.
    response.flushHeaders()
    this.#waitFor('reply-stalled', this.#upstream.limits.replyStallMs)
  }

  #onBody(chunk: Buffer): void {
    const { client, response } = this.#to
    const stream = this.#stream!
    if (this.#over || response.destroyed) return
    response.write(chunk)
    if (!client.outlet.writableNeedDrain) return
    stream.pause()
    this.#waitFor('client-stalled', this.#to.limits.clientStallMs)
    client.outlet.once('drain', () => {
      this.#waitFor('reply-stalled', this.#upstream.limits.replyStallMs)
      stream.resume()
    })
  }

  #onTrailers(rawHeaders: readonly string[]): void {
    const { trailing } = this.#to.response
    if (trailing !== undefined) trailing.lines = headOf(rawHeaders).headers
  }

  #onEnd(): void {
    const { client, request, response } = this.#to
    // A reset ends a stream as well, and would make half a reply look whole.
    if (this.#over || !this.replying || this.#stream!.rstCode) return
    this.#over = true
    client.endReply(request, response, !this.#requestComplete)
    if (!this.#requestComplete) this.#stream!.close(constants.NGHTTP2_NO_ERROR)
    if (!response.shouldKeepAlive) client.closing = true
    client.end()
  }

  #repeatable(): boolean {
    return isRepeatable(this.#to.method, this.#to.body)
  }

  /**
   * What a target has refused it has not seen (RFC 9113 §6.8, §8.7), and what can be repeated it may see twice. Both go to a new
   * connection; what fails on that as well goes to another target, as with HTTP/1.1.
   */
  #sendAgain(failure: ExchangeFailure): boolean {
    if (this.replying || !this.#repeatable()) return false
    const { pool, retry } = this.#to
    const upstream = this.#upstream
    let next: Upstream | undefined
    if (isEnding(failure, this.#renewals)) {
      this.#renewals += 1
      next = upstream
    } else if (failure === 'refused' || retriedFailures.has(failure)) {
      this.#tried.push(upstream)
      next = pool.mayRetry(this.#tried.length - 1) ? pool.pick(true, this.#tried) : undefined
    }
    if (next === undefined) return false
    retry(failure, upstream)
    this.#upstream = next
    this.#send()
    return true
  }

  #failed(failure: ExchangeFailure, defect?: unknown): void {
    if (this.#over) return
    if (!this.replying && !ourOwnFailures.has(failure) && !isEnding(failure, this.#renewals)) {
      this.#upstream.health.failed(this.#to.ticker.nowMs)
    }
    if (this.#sendAgain(failure)) return
    this.#over = true
    clearTimeout(this.#timer)
    const { client, cutShort, fail } = this.#to
    if (this.#stream !== undefined && failure === 'reply-timeout') this.#upstream.http2.doubt(this.#stream)
    this.#stream?.close(constants.NGHTTP2_CANCEL)
    if (this.replying) {
      cutShort(failure, this.#upstream, defect)
      client.cut()
    } else {
      fail(failure, this.#upstream, !this.#requestComplete, defect)
    }
    client.end()
  }
}

/** A connection that has come to its end is nobody's fault; one that closes without a word only the first time. */
function isEnding(failure: ExchangeFailure, renewals: number): boolean {
  return failure === 'refused' ? renewals < mostRenewals : failure === 'closed' && renewals === 0
}

/** How often one request may meet a connection that ends, and go to a new one. */
const mostRenewals = 4

/** The lines of a head as HTTP/2 has them. */
function fieldsOf(lines: string): Record<string, string> {
  const fields: Record<string, string> = Object.create(null)
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon === -1) continue
    const name = line.slice(0, colon).toLowerCase()
    if (name === 'transfer-encoding') continue
    const value = line.slice(colon + 2)
    const before = fields[name]
    // One list is as good as several (RFC 9110 §5.3), and Node takes some of them only once.
    if (before === undefined) fields[name] = value
    else fields[name] = before + (name === 'cookie' ? '; ' : ', ') + value
  }
  return fields
}

/** Status and headers of a reply for the client, without what belongs to a connection. */
function headOf(rawHeaders: readonly string[]): { readonly status: number; readonly headers: string[] } {
  const plain: string[] = []
  let status = 0
  let length: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    const value = rawHeaders[i + 1]!
    if (name === ':status') status = Number(value)
    else if (name === 'content-length') length = value
    else if (!name.startsWith(':')) plain.push(name, value)
  }
  const headers = replyHeaders({ headers: plain, connectionNames: undefined })
  if (length !== undefined) headers.push('content-length', length)
  return { status, headers }
}
