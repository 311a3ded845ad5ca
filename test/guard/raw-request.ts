/** Test support: one request as exact bytes on a socket of its own, since clients repair what they send. */
import type { EventEmitter } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

export type RawRequest = {
  readonly method?: string
  /** Written into the request line as it is. */
  readonly target?: string
  /** Names and values in turn; `Host` and `Connection: close` come by themselves. */
  readonly headers?: readonly string[]
  readonly body?: Buffer | string
}

export type RawReply = {
  readonly status: number
  /** By lower-case name; one that came twice is joined by a comma. In HTTP/2 trailers are among them. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** How requests get to a service: by one version of HTTP or by the other. */
export type Wire = {
  readonly name: string
  ask(port: number, request?: RawRequest): Promise<RawReply>
  /** Several requests on one connection. */
  askInTurn(port: number, requests: readonly RawRequest[]): Promise<RawReply[]>
  /** Sends a request; whoever does not wait for the reply destroys what this gives. */
  send(port: number, request: RawRequest): EventEmitter & { destroy(): unknown }
  /** Whether there is such a request in this version. One that is none gets no reply that could be relied on. */
  carries(request: RawRequest): boolean
}

/** Sends one request and reads the reply to the end of the connection. */
export async function ask(port: number, request: RawRequest = {}): Promise<RawReply> {
  const [reply] = readReplies(await exchange(port, textOf(request, true)), [request.method ?? 'GET'])
  if (reply === undefined) throw new Error(`no reply to ${request.method ?? 'GET'} ${request.target ?? '/'}`)
  return reply
}

/** Sends several requests down one connection, all at once (pipelined), and reads all replies. */
export async function askInTurn(port: number, requests: readonly RawRequest[]): Promise<RawReply[]> {
  const parts = requests.map((request, index) => textOf(request, index === requests.length - 1))
  return readReplies(
    await exchange(port, Buffer.concat(parts)),
    requests.map(({ method }) => method ?? 'GET'),
  )
}

/** Sends a request and gives the socket, for those who do not wait for the reply. */
export function send(port: number, request: RawRequest): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {}).write(textOf(request, true))
  return socket
}

/** HTTP/1.1, byte by byte. */
export const http1: Wire = { name: 'HTTP/1.1', ask, askInTurn, send, carries: () => true }

function textOf(
  { method = 'GET', target = '/', headers = [], body = '' }: RawRequest,
  last: boolean,
): Buffer {
  const bytes = Buffer.from(body)
  const lines = [`${method} ${target} HTTP/1.1`]
  const names = headers.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())
  if (!names.includes('host')) lines.push('Host: 127.0.0.1')
  if (last) lines.push('Connection: close')
  for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`)
  if (bytes.length > 0 && !names.includes('transfer-encoding')) lines.push(`Content-Length: ${bytes.length}`)
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes])
}

function exchange(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.setEncoding('latin1').setTimeout(60_000, () => socket.destroy(new Error('no answer within 60 s')))
    socket.on('data', (chunk: string) => (text += chunk))
    // A server that refuses a long body may reset the connection behind its answer.
    socket.on('error', (error) => (text === '' ? reject(error) : resolve(text)))
    socket.on('close', () => resolve(text))
    socket.write(bytes)
  })
}

function readReplies(text: string, methods: readonly string[]): RawReply[] {
  const replies: RawReply[] = []
  let rest = text
  for (const method of methods) {
    if (rest === '') break
    const end = rest.indexOf('\r\n\r\n')
    const [statusLine = '', ...lines] = rest.slice(0, end).split('\r\n')
    const headers: Record<string, string> = {}
    for (const line of lines) {
      const colon = line.indexOf(':')
      const name = line.slice(0, colon).toLowerCase()
      const value = line.slice(colon + 1).trim()
      headers[name] = name in headers ? `${headers[name]}, ${value}` : value
    }
    const { body, length } = readBody(rest.slice(end + 4), headers, method)
    replies.push({ status: Number(statusLine.split(' ')[1]), headers, body })
    rest = rest.slice(end + 4 + length)
  }
  return replies
}

function readBody(
  text: string,
  headers: Readonly<Record<string, string>>,
  method: string,
): { readonly body: string; readonly length: number } {
  if (method === 'HEAD') return { body: '', length: 0 }
  if (headers['transfer-encoding'] === 'chunked') return readChunks(text)
  const length = headers['content-length'] === undefined ? text.length : Number(headers['content-length'])
  return { body: text.slice(0, length), length }
}

function readChunks(text: string): { readonly body: string; readonly length: number } {
  let body = ''
  let at = 0
  for (;;) {
    const end = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, end), 16)
    if (!(size > 0)) return { body, length: end + 4 }
    body += text.slice(end + 2, end + 2 + size)
    at = end + 4 + size
  }
}
