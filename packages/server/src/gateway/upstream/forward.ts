import { burst } from '../front/burst.ts'
import type { Departure } from '../front/burst.ts'
import type { Client, ClientReply, ClientRequest, Turn } from '../front/client-connection.ts'
import { replyHeaders } from './headers.ts'
import { withNonce } from '../decision/sender.ts'
import type { ExchangeFailure } from './failures.ts'
import type { GatewayLimits } from '../front/limits.ts'
import { isRepeatable, ourOwnFailures, retriedFailures } from './repeat.ts'
import type { ResponseHead } from './response-head.ts'
import type { ResponseFraming } from './response-parser.ts'
import type { Ticker } from '../front/ticker.ts'
import { isTooSlow } from './upload-pace.ts'
import type { Upstream, UpstreamWaiter } from './upstream.ts'
import type { UpstreamPool } from './upstream-pool.ts'
import type { UpstreamConnection, UpstreamExchange, UpstreamFailure } from './upstream-connection.ts'

/** An allowed request on its way: what arrived, and the head to send on. */
export type Forwarding = {
  readonly client: Client
  readonly request: ClientRequest
  readonly response: ClientReply
  readonly method: string
  /** How the request's body is framed. */
  readonly body: number | 'chunked' | 'none'
  /** The longest body that may come in chunks; undefined: any. */
  readonly bodyLimitBytes?: number | undefined
  /** The client waits for "100 Continue" before it sends its body. */
  readonly expectsContinue: boolean
  /** The upstream connection must not carry another request afterwards. */
  readonly last: boolean
  /** Path and query, below the path of the target's URL. */
  readonly target: string
  /** The header lines but Host, and the empty line behind them. */
  readonly fields: string
  /** What to answer in `DPoP-Nonce`, in place of what the service says. */
  readonly nextNonce?: string | undefined
  readonly pool: UpstreamPool
  /** Changes the reply's headers on their way; names and values in turns. */
  readonly dress?: ((headers: string[]) => string[]) | undefined
  readonly limits: GatewayLimits
  readonly ticker: Ticker
  /** Answers in place of the upstream: nothing of a reply has been sent. Then ends the reply. */
  fail(failure: ExchangeFailure, upstream: Upstream, unread: boolean, defect?: unknown): void
  /** The upstream failed, and the request goes to another one. */
  retry(failure: ExchangeFailure, upstream: Upstream): void
  /** The upstream failed when part of its reply was on its way, so the client was cut off. */
  cutShort(failure: ExchangeFailure, upstream: Upstream, defect?: unknown): void
}

/** Sends a request to its upstream and the reply back, both as they come, and lets go of everything if either leaves. */
export function forward(forwarding: Forwarding): void {
  new Exchange(forwarding).start()
}

class Exchange implements UpstreamExchange, UpstreamWaiter, Turn, Departure {
  replying = false
  readonly #to: Forwarding
  #upstream: Upstream
  /** Upstreams that have failed this request. */
  #tried: Upstream[] | undefined
  #connection: UpstreamConnection | undefined
  #over = false
  /** It was sent on a kept connection that turned out to be closed, and has been sent to the same upstream again. */
  #renewed = false
  /** The request's head, until it leaves, with the first piece of the body if there is one. */
  #unsentHead: string | undefined
  #requestComplete: boolean
  #uploading = false
  #uploadLeft: number
  /** When the client was first let send its body, later by as long as it was then not let. */
  #uploadStartedMs = 0
  /** The upstream does not take the request's body at present. */
  #uploadPaused = false
  /** The client does not take the reply at present. */
  #replyPaused = false
  #replyHead: ResponseHead | undefined
  #framing: ResponseFraming = 'none'
  /** The body of a small reply that has ended, until it leaves with its head in one write. */
  #replyText: string | undefined
  /** The reply's first piece, lent until the end of the present read. */
  #firstChunk: Buffer | undefined
  /** When the client last sent or took something; on the ticker's scale. */
  #progressMs: number

  constructor(forwarding: Forwarding) {
    this.#to = forwarding
    this.#requestComplete = forwarding.body === 'none' || forwarding.body === 0
    this.#uploadLeft = forwarding.bodyLimitBytes ?? longestBody
    this.#progressMs = forwarding.ticker.nowMs
    // Of those that have not been tried there is always one.
    this.#upstream = forwarding.pool.pick(this.#repeatable())!
  }

  start(): void {
    this.#to.client.begin(this)
    this.#connect(this.#repeatable() ? 'any' : 'recent')
  }

  // The connection to the upstream

  onConnection(connection: UpstreamConnection): void {
    const { fields, method, target, last } = this.#to
    const { authority, basePath } = this.#upstream.origin
    this.#unsentHead =
      `${method} ${basePath}${target} HTTP/1.1\r\nHost: ${authority}\r\n` +
      (last ? 'Connection: close\r\n' + fields : fields)
    this.#connection = connection
    connection.begin(this, method === 'HEAD', last)
    if (this.#requestComplete) burst.leave(this)
    else this.#upload()
  }

  /** Writes what was put off: a request without a body, or a small reply as a whole. */
  leave(): void {
    if (this.#replyText !== undefined) {
      this.#to.response.end(this.#replyText, 'latin1')
      this.#replyText = undefined
      this.#finish()
    } else if (this.#requestComplete && this.#unsentHead !== undefined) {
      this.#sendUnsentHead()
      this.#connection?.endRequest()
    }
  }

  onFailure(failure: UpstreamFailure, defect?: unknown): void {
    const connection = this.#connection
    this.#connection = undefined
    if (this.#over) return
    const upstream = this.#upstream
    // A kept-alive connection that was closed while our request was on its way is nobody's fault.
    const stale = failure === 'closed' && connection?.reused === true && !connection.replied
    if (this.#replyHead === undefined && !stale && !ourOwnFailures.has(failure)) {
      upstream.health.failed(this.#to.ticker.nowMs)
    }
    if (!this.#sendAgain(failure, stale, connection)) this.#failed(failure, defect)
  }

  /**
   * The request cannot be acted on twice if it changes nothing, has no body, and no byte of a reply has come (RFC 9110
   * §9.2.2). A target that has failed it is never asked again, nor one that was too slow: so would be the next.
   */
  #sendAgain(failure: UpstreamFailure, stale: boolean, connection: UpstreamConnection | undefined): boolean {
    if (!this.#repeatable() || connection?.replied === true) return false
    if (!stale && !retriedFailures.has(failure)) return false
    const { pool, retry } = this.#to
    const upstream = this.#upstream
    const tried = (this.#tried ??= [])
    tried.push(upstream)
    const next = stale || pool.mayRetry(tried.length - 1) ? pool.pick(true, tried) : undefined
    if (next !== undefined) {
      retry(failure, upstream)
      this.#upstream = next
      this.#connect('any')
      return true
    }
    if (!stale || this.#renewed) return false
    this.#renewed = true
    this.#connect('none')
    return true
  }

  // The client's request

  onUpstreamDrain(): void {
    if (!this.#uploadPaused) return
    this.#uploadPaused = false
    const { nowMs } = this.#to.ticker
    this.#uploadStartedMs += nowMs - this.#progressMs
    this.#progressMs = nowMs
    this.#to.request.resume()
  }

  abort(): void {
    this.#over = true
    const connection = this.#connection
    this.#connection = undefined
    this.#firstChunk = undefined
    this.#replyText = undefined
    if (connection === undefined) this.#upstream.cancel(this)
    else connection.abandon()
  }

  stalledByClient(): boolean {
    return (
      this.#replyPaused || (!this.#requestComplete && !this.#uploadPaused && this.#replyHead === undefined)
    )
  }

  sweep(nowMs: number): void {
    if (nowMs - this.#progressMs < this.#to.limits.clientStallMs && !this.#uploadsTooSlowly(nowMs)) return
    this.#connection?.abandon()
    this.#connection = undefined
    this.#failed('client-stalled')
  }

  #uploadsTooSlowly(nowMs: number): boolean {
    const { bodyLimitBytes = longestBody, limits } = this.#to
    if (this.#requestComplete || !this.#uploading || this.#replyHead !== undefined) return false
    return isTooSlow(bodyLimitBytes - this.#uploadLeft, nowMs - this.#uploadStartedMs, limits)
  }

  // The upstream's reply

  onReplyHead(head: ResponseHead, framing: ResponseFraming): void {
    this.#upstream.health.succeeded()
    this.#replyHead = head
    this.#framing = framing
  }

  onReplyBody(chunk: Buffer): boolean {
    if (this.replying) return this.#sendChunk(chunk)
    const first = this.#firstChunk
    if (first === undefined) {
      this.#firstChunk = chunk
      return false
    }
    this.#firstChunk = undefined
    this.#sendHead()
    // Both, whatever the first one says.
    const firstKept = this.#sendChunk(first)
    return this.#sendChunk(chunk) || firstKept
  }

  onReplyFlush(): boolean {
    if (this.replying || this.#replyHead === undefined || this.#over) return false
    const first = this.#firstChunk
    this.#firstChunk = undefined
    this.#sendHead()
    if (first !== undefined) return this.#sendChunk(first)
    this.#to.response.flushHeaders()
    return false
  }

  onReplyEnd(): boolean {
    if (this.#over) return false
    const { client, request, response } = this.#to
    let kept = false
    this.#over = true
    this.#connection = undefined
    const first = this.#firstChunk
    this.#firstChunk = undefined
    if (!this.replying) {
      this.#sendHead(first?.length ?? 0)
      if (first !== undefined && first.length <= mostInOneWrite && this.#requestComplete) {
        this.#replyText = first.toString('latin1')
        burst.leave(this)
        return false
      }
      if (first !== undefined) kept = this.#sendChunk(first)
    }
    client.endReply(request, response, !this.#requestComplete)
    kept ||= client.outlet.writableLength > 0
    this.#finish()
    return kept
  }

  #finish(): void {
    const { client, response } = this.#to
    if (!response.shouldKeepAlive) client.closing = true
    client.end()
  }

  #connect(reuse: 'any' | 'recent' | 'none'): void {
    const connection = this.#upstream.connect(this, reuse)
    if (connection !== undefined) this.onConnection(connection)
  }

  #repeatable(): boolean {
    return isRepeatable(this.#to.method, this.#to.body)
  }

  /** Sends the request's body on as it comes, never faster than the upstream takes it. */
  #upload(): void {
    const { request, response, expectsContinue } = this.#to
    if (this.#uploading) return
    this.#uploading = true
    this.#progressMs = this.#uploadStartedMs = this.#to.ticker.nowMs
    if (expectsContinue) response.writeContinue()
    request.on('data', (chunk: Buffer) => this.#onRequestBody(chunk))
    request.on('end', () => this.#onRequestEnd())
    // What has arrived with the request's head is told within this turn, and leaves with our head.
    process.nextTick(() => this.#sendUnsentHead())
  }

  #onRequestBody(chunk: Buffer): void {
    const connection = this.#connection
    if (this.#over || connection === undefined) return
    this.#progressMs = this.#to.ticker.nowMs
    this.#uploadLeft -= chunk.length
    if (this.#uploadLeft < 0) {
      this.#connection = undefined
      connection.abandon()
      return this.#failed('body-oversize')
    }
    const isChunked = this.#to.body === 'chunked'
    const before = (this.#unsentHead ?? '') + (isChunked ? `${chunk.length.toString(16)}\r\n` : '')
    this.#unsentHead = undefined
    let flowing: boolean
    if (chunk.length <= mostInOneWrite) {
      flowing = connection.write(before + chunk.toString('latin1') + (isChunked ? '\r\n' : ''))
    } else {
      connection.cork()
      if (before !== '') connection.write(before)
      flowing = connection.write(chunk)
      if (isChunked) flowing = connection.write('\r\n')
      connection.uncork()
    }
    if (flowing) return
    this.#uploadPaused = true
    this.#to.request.pause()
  }

  #onRequestEnd(): void {
    this.#requestComplete = true
    const connection = this.#connection
    if (this.#over || connection === undefined) return
    this.#sendUnsentHead()
    if (this.#to.body === 'chunked') connection.write('0\r\n\r\n')
    connection.endRequest()
  }

  #sendUnsentHead(): void {
    const head = this.#unsentHead
    this.#unsentHead = undefined
    if (head !== undefined && !this.#over) this.#connection?.write(head)
  }

  /** @param wholeLength the body's length, when all of it has come with the head */
  #sendHead(wholeLength?: number): void {
    const { response } = this.#to
    const head = this.#replyHead!
    const { dress, nextNonce } = this.#to
    const told = nextNonce === undefined ? replyHeaders(head) : withNonce(replyHeaders(head), nextNonce)
    const headers = dress === undefined ? told : dress(told)
    this.replying = true
    if (this.#to.client.retired) response.shouldKeepAlive = false
    if (this.#framing === 'counted' || (this.#framing === 'none' && mayTellLength(head))) {
      headers.push('Content-Length', String(head.contentLength))
    } else if (this.#framing === 'chunked' && wholeLength !== undefined) {
      headers.push('Content-Length', String(wholeLength))
    } else if (this.#framing === 'until-close') {
      // Whether all of it has come only the upstream's closing tells, so it is passed on in the same way: a complete
      // looking frame of ours around a reply that was cut short would be a lie.
      response.useChunkedEncodingByDefault = false
      response.shouldKeepAlive = false
    }
    response.writeHead(head.status, headers)
  }

  /** @returns true while the socket to the client still holds the chunk's memory */
  #sendChunk(chunk: Buffer): boolean {
    const { client, response, ticker } = this.#to
    if (response.destroyed) return false
    // Corked, since Node would otherwise put off the write to the next tick, and we would not know.
    response.cork()
    response.write(chunk)
    response.uncork()
    const { outlet } = client
    if (outlet.writableLength === 0) {
      this.#progressMs = ticker.nowMs
      return false
    }
    // What `write` returns counts only what this one message holds, in some versions of Node.
    if (outlet.writableNeedDrain && !this.#over && !this.#replyPaused) this.#pauseReply()
    return true
  }

  #pauseReply(): void {
    this.#replyPaused = true
    this.#progressMs = this.#to.ticker.nowMs
    this.#connection?.pause()
    this.#to.client.outlet.once('drain', () => {
      this.#replyPaused = false
      this.#progressMs = this.#to.ticker.nowMs
      this.#connection?.resume()
    })
  }

  #failed(failure: ExchangeFailure, defect?: unknown): void {
    const { client, cutShort, fail } = this.#to
    this.#over = true
    this.#firstChunk = undefined
    if (!this.replying) {
      fail(failure, this.#upstream, !this.#requestComplete, defect)
    } else {
      cutShort(failure, this.#upstream, defect)
      client.cut()
    }
    client.end()
  }
}

/** RFC 9110 §8.6: a reply to HEAD and a 304 may say how long the body would be; a 204 may not. */
function mayTellLength(head: ResponseHead): boolean {
  return head.contentLength !== undefined && head.status !== 204
}

const longestBody = Number.MAX_SAFE_INTEGER
/** A text up to this size leaves with what stands before it in one plain write; a buffer beside it costs a second. */
const mostInOneWrite = 4 * 1024
