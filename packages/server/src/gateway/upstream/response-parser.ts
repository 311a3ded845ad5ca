import { parseResponseHead } from './response-head.ts'
import type { ResponseHead } from './response-head.ts'

/**
 * Reads the replies of one upstream connection, strictly (RFC 9112): what an honest server never sends is refused
 * as a {@link ResponseFault} and never repaired, because a repaired reply is how one caller gets another's answer.
 *
 * Knows nothing of sockets. Bytes go in by `push`, what they mean comes out through the sink.
 */
export class ResponseParser {
  readonly #sink: ResponseSink
  readonly #headBytes: number
  #state: State = 'idle'
  #bodyless = false
  /** Bytes left of a counted body or of the current chunk. */
  #left = 0
  #interim = 0
  #trailerBytes = 0
  /** An incomplete head or chunk line, waiting for the rest. */
  #held: Buffer | undefined
  #reusable = false

  /** @param headBytes the longest head, in bytes; also bounds trailers. */
  constructor(sink: ResponseSink, headBytes: number) {
    this.#sink = sink
    this.#headBytes = headBytes
  }

  /** A request went out: what comes next is its reply. `head` says that it was a HEAD request. */
  expect(head: boolean): void {
    this.#state = 'head'
    this.#bodyless = head
    this.#interim = 0
    this.#trailerBytes = 0
    this.#reusable = false
    this.#held = undefined
  }

  /** True while a reply is expected that has not ended. */
  get busy(): boolean {
    return this.#state !== 'idle'
  }

  /** After the end of a reply: the connection may carry another exchange. */
  get reusable(): boolean {
    return this.#reusable && this.#state === 'idle'
  }

  /**
   * Takes what was read. The chunks given to the sink are views of `bytes`.
   *
   * @returns what is wrong with the reply, after which the connection must be dropped; undefined when all is well
   */
  push(bytes: Buffer): ResponseFault | undefined {
    let position = 0
    if (this.#held !== undefined) {
      bytes = Buffer.concat([this.#held, bytes])
      this.#held = undefined
    }
    while (position < bytes.length) {
      switch (this.#state) {
        case 'idle':
          // Nobody asked: a reply nobody waits for would be taken for the next one's (response splitting).
          this.#reusable = false
          return 'unasked'
        case 'head': {
          const head = parseResponseHead(bytes, position)
          if (head === 'incomplete') {
            if (bytes.length - position > this.#headBytes) return 'head-oversize'
            this.#hold(bytes, position)
            return undefined
          }
          if (typeof head === 'string') return head
          if (head.end - position > this.#headBytes) return 'head-oversize'
          position = head.end
          const fault = this.#beginBody(head)
          if (fault !== undefined) return fault
          break
        }
        case 'counted':
        case 'chunk': {
          const end = Math.min(bytes.length, position + this.#left)
          this.#left -= end - position
          this.#sink.body(position === 0 && end === bytes.length ? bytes : bytes.subarray(position, end))
          position = end
          if (this.#left > 0) break
          if (this.#state === 'counted') this.#finish()
          else this.#state = 'chunk-end'
          break
        }
        case 'chunk-end':
          if (bytes.length - position < 2) {
            if (bytes[position] !== CR) return 'chunk-malformed'
            this.#hold(bytes, position)
            return undefined
          }
          if (bytes[position] !== CR || bytes[position + 1] !== LF) return 'chunk-malformed'
          position += 2
          this.#state = 'chunk-size'
          break
        case 'chunk-size': {
          const next = this.#readChunkSize(bytes, position)
          if (typeof next === 'string') return next
          if (next === 0) {
            if (bytes.length - position > longestChunkLine) return 'chunk-malformed'
            this.#hold(bytes, position)
            return undefined
          }
          position = next
          this.#state = this.#left === 0 ? 'trailers' : 'chunk'
          break
        }
        case 'trailers': {
          const end = bytes.indexOf(LF, position)
          this.#trailerBytes += (end === -1 ? bytes.length : end + 1) - position
          if (this.#trailerBytes > this.#headBytes) return 'head-oversize'
          if (end === -1) {
            this.#trailerBytes -= bytes.length - position
            this.#hold(bytes, position)
            return undefined
          }
          if (end === position || bytes[end - 1] !== CR) return 'chunk-malformed'
          const last = end === position + 1
          position = end + 1
          // Trailers are dropped: nothing in them was part of what was asked, and merging them is an old hole.
          if (last) this.#finish()
          break
        }
        case 'until-close':
          this.#sink.body(position === 0 ? bytes : bytes.subarray(position))
          position = bytes.length
          break
      }
    }
    return undefined
  }

  /**
   * The upstream closed its side in an orderly way.
   *
   * @returns 'cut-short' when a reply was under way that this does not complete
   */
  close(): ResponseFault | undefined {
    if (this.#state === 'until-close') {
      this.#finish()
      this.#reusable = false
      return undefined
    }
    return this.#state === 'idle' ? undefined : 'cut-short'
  }

  #hold(bytes: Buffer, position: number): void {
    // A copy: the memory behind `bytes` belongs to the socket and is read into again.
    this.#held = Buffer.from(bytes.subarray(position))
  }

  #beginBody(head: ResponseHead): ResponseFault | undefined {
    if (head.status < 200) {
      // We never ask for an upgrade, so nobody may switch protocols under us (tunnel smuggling).
      if (head.status === 101) return 'upgrade-unasked'
      this.#interim += 1
      return this.#interim > mostInterimReplies ? 'interim-excess' : undefined
    }
    if (head.contentLength !== undefined && head.chunked) return 'length-ambiguous'
    if (head.chunked && head.minor === 0) return 'length-ambiguous'
    this.#reusable = head.keepAlive
    const empty = this.#bodyless || head.status === 204 || head.status === 304
    const framing = empty
      ? 'none'
      : head.chunked
        ? 'chunked'
        : head.contentLength === undefined
          ? 'until-close'
          : 'counted'
    this.#sink.head(head, framing)
    if (framing === 'none' || (framing === 'counted' && head.contentLength === 0)) {
      this.#finish()
    } else if (framing === 'counted') {
      this.#left = head.contentLength ?? 0
      this.#state = 'counted'
    } else {
      this.#state = framing === 'chunked' ? 'chunk-size' : 'until-close'
    }
    return undefined
  }

  /** Reads `1a2b[;extension]CRLF`; gives the position behind it, 0 when more bytes are needed, or what is wrong. */
  #readChunkSize(bytes: Buffer, start: number): number | ResponseFault {
    let position = start
    let size = 0
    for (; position < bytes.length; position++) {
      const digit = hexDigit(bytes[position]!)
      if (digit === -1) break
      // 13 digits stay well below 2^53.
      if (position - start >= 13) return 'chunk-malformed'
      size = size * 16 + digit
    }
    if (position === bytes.length) return 0
    if (position === start) return 'chunk-malformed'
    // Only `;` begins an extension (RFC 9112 §7.1.1); its content is of no use to us, its length is bounded.
    if (bytes[position] === SEMICOLON) {
      while (position < bytes.length && bytes[position] !== CR) {
        const byte = bytes[position]!
        if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f) return 'chunk-malformed'
        position += 1
        if (position - start > longestChunkLine) return 'chunk-malformed'
      }
    }
    if (position + 1 >= bytes.length) {
      return position < bytes.length && bytes[position] !== CR ? 'chunk-malformed' : 0
    }
    if (bytes[position] !== CR || bytes[position + 1] !== LF) return 'chunk-malformed'
    this.#left = size
    return position + 2
  }

  #finish(): void {
    this.#state = 'idle'
    this.#sink.end()
  }
}

/** Who takes the reply apart from where it came. */
export type ResponseSink = {
  /** The final reply's head. Interim replies (1xx) are not told. */
  head(head: ResponseHead, framing: ResponseFraming): void
  /** A piece of the body; the memory is only lent for the call. */
  body(chunk: Buffer): void
  /** The reply is complete. */
  end(): void
}

export type ResponseFraming = 'none' | 'counted' | 'chunked' | 'until-close'

/** Why a reply was refused. */
export type ResponseFault =
  | 'unasked'
  | 'status-malformed'
  | 'header-malformed'
  | 'head-oversize'
  | 'length-malformed'
  | 'length-ambiguous'
  | 'chunk-malformed'
  | 'upgrade-unasked'
  | 'interim-excess'
  | 'cut-short'

type State = 'idle' | 'head' | 'counted' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailers' | 'until-close'

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

const CR = 0x0d
const LF = 0x0a
const SEMICOLON = 0x3b
const longestChunkLine = 1024
const mostInterimReplies = 16
