/** Test support: requests of HTTP/2, as little repaired as its client allows; the counterpart of raw-request.ts. */
import { connect } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import type { RawReply, RawRequest, Wire } from './raw-request.ts'

/** HTTP/2 in clear text, from the first byte. */
export const http2: Wire = {
  name: 'HTTP/2',
  ask: async (port, request = {}) => (await askInTurn(port, [request]))[0]!,
  askInTurn,
  send(port, request) {
    const session = open(port)
    // Who leaves resets the stream only: the connection is there for others.
    return write(session, request).on('close', () => session.close())
  },
  carries: ({ target = '/', headers = [] }) =>
    // RFC 9113 §8.3.1: a path begins with a slash, or it is no request; and so with the characters of an authority.
    target.startsWith('/') && !headers.some((name, at) => at % 2 === 0 && name.toLowerCase() === 'host'),
}

/** All at once on one connection. */
async function askInTurn(port: number, requests: readonly RawRequest[]): Promise<RawReply[]> {
  const session = open(port)
  try {
    return await Promise.all(requests.map((request) => read(write(session, request))))
  } finally {
    session.destroy()
  }
}

function open(port: number): ClientHttp2Session {
  // Node's types do not know the option yet: without it, whoever repeats a header is stopped here already.
  const options = { strictSingleValueFields: false } as object
  return connect(`http://127.0.0.1:${port}`, options).on('error', () => {})
}

function write(
  session: ClientHttp2Session,
  { method = 'GET', target = '/', headers = [], body = '' }: RawRequest,
): ClientHttp2Stream {
  const lines = [':method', method, ':scheme', 'http', ':path', target]
  const names = headers.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())
  if (!names.includes('host')) lines.push(':authority', '127.0.0.1')
  headers.forEach((text, at) => {
    if (at % 2 === 1) return
    // Chunks are the other version's; here a body without a length is one that ends when it ends.
    const name = text.toLowerCase()
    if (name !== 'transfer-encoding') lines.push(name === 'host' ? ':authority' : name, headers[at + 1]!)
  })
  const bytes = names.includes('transfer-encoding') ? unchunked(String(body)) : Buffer.from(body)
  if (bytes.length > 0 && !names.includes('transfer-encoding'))
    lines.push('content-length', `${bytes.length}`)
  const stream = session.request(lines as unknown as Record<string, string>, {
    endStream: bytes.length === 0,
  })
  // A refusal may reset what is still being sent.
  stream.on('error', () => {})
  if (bytes.length > 0) stream.end(bytes)
  return stream
}

async function read(stream: ClientHttp2Stream): Promise<RawReply> {
  let status = 0
  const headers: Record<string, string> = {}
  let body = ''
  stream.setEncoding('latin1').setTimeout(60_000, () => stream.destroy())
  stream.on('data', (chunk: string) => (body += chunk))
  const take = (received: object): void => {
    for (const [name, value] of Object.entries(received)) {
      if (!name.startsWith(':')) headers[name] = [value].flat().join(', ')
    }
  }
  stream.on('response', (received) => {
    status = received[':status'] ?? 0
    take(received)
  })
  stream.on('trailers', take)
  await new Promise((resolve) => stream.once('close', resolve))
  return { status, headers, body }
}

function unchunked(text: string): Buffer {
  const lines = text.split('\r\n')
  return Buffer.from(lines.filter((_, at) => at % 2 === 1).join(''))
}
