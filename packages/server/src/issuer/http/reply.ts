import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TokenKind } from '../token/token-kind.ts'

/** An answer, complete before its first byte is written. */
export type Reply = {
  readonly status: number
  /** Names and values in turn, without `Content-Length`. */
  readonly headers: readonly string[]
  /** ASCII, so that head and body leave in one write and its length is its byte length. */
  readonly body: string
  /** What is known about the request, for those who run the issuer; never sent. */
  readonly about?: AboutReply
}

/** Names and words of ours; never a token or a secret. */
export type AboutReply = {
  readonly outcome?: string
  readonly client?: string | undefined
  readonly service?: string
  readonly tokenId?: string
  readonly kind?: TokenKind
}

/** Writes a reply at once. A request for the head gets exactly that. */
export function send(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  // A client that has gone away is not an error, and nobody is there to be told.
  if (response.destroyed || response.headersSent) return
  if (reply.about !== undefined) known.set(response, reply.about)
  const bodiless = reply.status === 304
  response.writeHead(
    reply.status,
    bodiless ? [...reply.headers] : [...reply.headers, 'Content-Length', String(reply.body.length)],
  )
  response.end(bodiless || request.method === 'HEAD' ? '' : reply.body, 'latin1')
}

/** What was said about the reply that was sent with `response`. */
export function aboutReply(response: ServerResponse): AboutReply | undefined {
  return known.get(response)
}

const known = new WeakMap<ServerResponse, AboutReply>()

/** JSON with every character outside ASCII escaped; the same document to every reader. */
export function asciiJson(value: unknown): string {
  const text = JSON.stringify(value)
  if (/^[ -~]*$/.test(text)) return text
  let ascii = ''
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    ascii += code < 0x7f ? text[index] : `\\u${code.toString(16).padStart(4, '0')}`
  }
  return ascii
}

/** A refusal outside the token endpoint, as RFC 9457 writes it. */
export function problemReply(status: keyof typeof titles, headers: readonly string[] = []): Reply {
  return {
    status,
    headers: ['Content-Type', 'application/problem+json', 'Cache-Control', 'no-store', ...headers],
    body: asciiJson({ type: 'about:blank', title: titles[status], status }),
  }
}

const titles = {
  404: 'Not Found',
  405: 'Method Not Allowed',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
} as const
