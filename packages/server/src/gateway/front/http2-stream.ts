import { constants } from 'node:http2'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Client, ClientReply, ClientRequest, ReplyTrailing, Turn } from './client-connection.ts'

/**
 * One stream of an HTTP/2 connection: the client of one request, which it asks as HTTP/1.1 would, and the reply to it. So
 * that one gate, one path and one decision serve both versions.
 */
export class Http2Stream implements Client {
  readonly socket: Socket
  readonly outlet: ServerHttp2Stream
  readonly address: string
  closing = false
  readonly #stallMs: number
  readonly #retired: () => boolean
  #turn: Turn | undefined

  /**
   * @param stallMs how long what the client does not take is kept for it
   * @param retired whether the connection takes no more streams
   */
  constructor(
    stream: ServerHttp2Stream,
    socket: Socket,
    address: string,
    stallMs: number,
    retired: () => boolean,
  ) {
    this.outlet = stream
    this.socket = socket
    this.address = address
    this.#stallMs = stallMs
    this.#retired = retired
    // A reset by the client, or an error of the connection: what else there is to know 'close' tells.
    stream.on('error', () => undefined)
    stream.on('close', () => {
      const turn = this.#turn
      this.#turn = undefined
      turn?.abort()
    })
  }

  get retired(): boolean {
    return this.#retired()
  }

  begin(turn: Turn): void {
    this.#turn = turn
  }

  end(): void {
    this.#turn = undefined
    this.ended()
  }

  /** A client that opens no window for it would have us keep a reply for each stream, for ever. */
  ended(): void {
    const stream = this.outlet
    if (stream.destroyed || stream.closed || stream.writableFinished) return
    stream.setTimeout(this.#stallMs, () => stream.close(constants.NGHTTP2_CANCEL))
  }

  /** RFC 9113 §8.1: a reply may be complete before its request, which is then told to stop without an error. */
  endReply(_request: ClientRequest, response: ClientReply, unread: boolean): void {
    const stream = this.outlet
    const stop = (): void => stream.close(constants.NGHTTP2_NO_ERROR)
    if (unread && stream.writableEnded) {
      // Ended with its head, which a reset at once would overtake: what is on its way is read and forgotten.
      stream.resume()
      const timer = setTimeout(stop, lingerMs)
      stream.once('close', () => clearTimeout(timer))
    } else if (unread) stream.once('finish', stop)
    response.end()
  }

  cut(): void {
    this.outlet.close(constants.NGHTTP2_INTERNAL_ERROR)
  }
}

/**
 * A request as HTTP/1.1 would have it (RFC 9113 §8.3), for the gate to look at: what the parser has let through and two
 * servers could still read differently becomes something the gate refuses.
 */
export function requestOf(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
  ended: boolean,
): ClientRequest {
  const { [':method']: method, [':path']: path, [':scheme']: scheme, [':authority']: authority } = headers
  const lines: string[] = []
  if (authority !== undefined) lines.push('Host', authority)
  let cookie: string | undefined
  let sane = scheme === 'https' && headers[':protocol'] === undefined
  let framed = ended
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    const value = rawHeaders[i + 1]!
    if (name.startsWith(':')) continue
    if (hasControl(value) || connectionSpecific.has(name)) sane = false
    // RFC 9113 §8.2.3: pieces of one header, which HTTP/1.1 has once.
    if (name === 'cookie') cookie = cookie === undefined ? value : `${cookie}; ${value}`
    // A second name for the same thing must say the same (RFC 9113 §8.3.1); if not, the gate sees two.
    else if (name !== 'host' || value !== authority) lines.push(name, value)
    if (name === 'content-length') framed = true
  }
  if (cookie !== undefined) lines.push('cookie', cookie)
  if (!framed) lines.push('Transfer-Encoding', 'chunked')
  return {
    // It is the gate's to say no, and a request without a method is none.
    method: sane ? method : undefined,
    url: path === '*' || path?.startsWith('/') === true ? path : '',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    rawHeaders: lines,
    headers: framed ? headers : { ...headers, 'transfer-encoding': 'chunked' },
    on: (event: 'data' | 'end' | 'close', listener: (chunk: Buffer) => void) =>
      // A reset ends a stream as well, and would make half a body look whole.
      stream.on(event, event === 'end' ? () => isWhole(stream) && (listener as () => void)() : listener),
    removeAllListeners: (event) => stream.removeAllListeners(event),
    pause: () => stream.pause(),
    resume: () => stream.resume(),
  }
}

/** What has arrived was ended by the client, and not by a reset or the end of the connection. */
function isWhole({ aborted, rstCode }: ServerHttp2Stream): boolean {
  return !aborted && (rstCode ?? constants.NGHTTP2_NO_ERROR) === constants.NGHTTP2_NO_ERROR
}

/** The reply of a stream, written as HTTP/1.1 would have it. */
export function replyOf(stream: ServerHttp2Stream): ClientReply {
  const trailing: ReplyTrailing = { ended: false, wanted: false, lines: [] }
  return {
    statusCode: 0,
    shouldKeepAlive: true,
    useChunkedEncodingByDefault: false,
    get headersSent() {
      return stream.headersSent
    },
    get destroyed() {
      return stream.destroyed || stream.closed
    },
    get writableEnded() {
      return stream.writableEnded
    },
    on: (event, listener) => stream.on(event, listener),
    trailing,
    writeHead(status, headers) {
      this.statusCode = status
      if (stream.destroyed || stream.closed) return
      const { ended, wanted } = trailing
      if (wanted && !ended) stream.once('wantTrailers', () => sendTrailers(stream, trailing.lines))
      stream.respond(headersOf(status, headers), { endStream: ended, waitForTrailers: wanted && !ended })
    },
    write: (chunk) => !stream.writableEnded && !stream.destroyed && stream.write(chunk),
    end(text?: string, encoding: 'latin1' | 'utf8' = 'utf8') {
      if (stream.writableEnded || stream.destroyed) return
      if (text === undefined) stream.end()
      else stream.end(text, encoding)
    },
    cork: () => stream.cork(),
    uncork: () => stream.uncork(),
    flushHeaders: () => undefined,
    writeContinue: () => {
      if (!stream.destroyed && !stream.closed && !stream.headersSent)
        stream.additionalHeaders({ ':status': 100 })
    },
  }
}

function sendTrailers(stream: ServerHttp2Stream, lines: readonly string[]): void {
  if (lines.length === 0) return stream.close()
  const { [':status']: _, ...trailers } = headersOf(0, lines)
  stream.sendTrailers(trailers)
}

/** Names and values in turns as HTTP/2 has them: in lower case, without what belongs to a connection. */
export function headersOf(
  status: number,
  headers: readonly string[],
): Record<string, number | string | string[]> {
  const fields: Record<string, number | string | string[]> = Object.assign(Object.create(null), {
    ':status': status,
  })
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase()
    const value = headers[i + 1]!
    if (connectionSpecific.has(name)) continue
    const before = fields[name]
    if (before === undefined) fields[name] = value
    else if (Array.isArray(before)) before.push(value)
    else fields[name] = [String(before), value]
  }
  return fields
}

function hasControl(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if ((code < 0x20 && code !== 0x09) || code === 0x7f || code > 0xff) return true
  }
  return false
}

const lingerMs = 500
/** RFC 9113 §8.2.2. */
const connectionSpecific: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])
