import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:http2'
import type { ClientHttp2Session, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import type { TestContext } from 'node:test'
import { selfSigned } from './certificate.ts'
import { openStand } from './stand.ts'
import type { Stand, StandOptions } from './stand.ts'

/** The stand behind TLS, with a certificate for 127.0.0.1 and localhost. */
export async function openTlsStand(
  t: TestContext,
  upstreamUrl: string,
  options: StandOptions = {},
): Promise<Stand & { readonly ca: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-'))
  const { cert, key } = selfSigned()
  const certificateFile = join(folder, 'cert.pem')
  const keyFile = join(folder, 'key.pem')
  writeFileSync(certificateFile, cert)
  writeFileSync(keyFile, key)
  const stand = await openStand(upstreamUrl, { ...options, tls: { certificateFile, keyFile } })
  t.after(async () => {
    await stand.close()
    rmSync(folder, { recursive: true })
  })
  return { ...stand, ca: cert }
}

/** A client of HTTP/2. @param socket connected already; a new one unless given */
export function openSession(
  t: TestContext,
  { port, ca }: { port: number; ca: string },
  socket?: Socket,
): ClientHttp2Session {
  const over = socket && (() => connectTls({ socket, ca, servername: 'localhost', ALPNProtocols: ['h2'] }))
  const session = connect(`https://localhost:${port}`, {
    ca,
    ...(over === undefined ? {} : { createConnection: over }),
  })
  session.on('error', () => undefined)
  t.after(() => session.destroy())
  return session
}

export type StreamReply = {
  /** Undefined when the stream was reset before any headers. */
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly trailers: IncomingHttpHeaders
  /** The code the stream was closed with; 0 is none. */
  readonly code: number
}

/** One request on a stream of its own; a body that is undefined ends with the headers. */
export function askStream(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer,
): Promise<StreamReply> {
  return new Promise((resolve) => {
    const stream = session.request(headers, { endStream: body === undefined })
    let reply: IncomingHttpHeaders = {}
    let trailers: IncomingHttpHeaders = {}
    let text = ''
    stream.setEncoding('latin1')
    stream.on('response', (received) => (reply = received))
    stream.on('trailers', (received) => (trailers = received))
    stream.on('data', (piece: string) => (text += piece))
    stream.on('error', () => undefined)
    stream.on('close', () => {
      const status = reply[':status'] as number | undefined
      resolve({ status, headers: reply, body: text, trailers, code: stream.rstCode ?? 0 })
    })
    if (body !== undefined) stream.end(body)
  })
}
