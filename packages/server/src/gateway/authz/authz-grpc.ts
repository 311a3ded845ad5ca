import { createServer } from 'node:http2'
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import { createTrustedProxies, plainAddress } from '../../net/address.ts'
import { judge } from './authz-verdict.ts'
import { checkResponse, readCheckRequest } from './ext-authz.ts'
import { numberField } from './protobuf.ts'
import type { GatewayState } from '../gateway-state.ts'
import type { AuthzSettings } from '../../trust/trust.ts'

/**
 * The decision endpoint for Envoy's ext_authz over gRPC: `envoy.service.auth.v3.Authorization/Check`, and
 * `grpc.health.v1.Health/Check` for those who ask whether it is there. Without TLS, for a sidecar or a network of its own.
 */
export function createGrpcAuthz(gateway: GatewayState, { peers }: AuthzSettings): GrpcAuthz {
  const trusted = createTrustedProxies(peers)
  const sessions = new Set<ServerHttp2Session>()
  const server = createServer({ settings: { maxConcurrentStreams, maxHeaderListSize: 16 * 1024 } })
  server.on('session', (session) => {
    const address = addressOf(session)
    if (peers.length > 0 && !trusted.trusts(address)) {
      gateway.log.warn('authz.stranger', { address })
      return session.destroy()
    }
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
  })
  server.on('sessionError', () => undefined)
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => undefined)
    const call = calls.get(headers[':path'] ?? '')
    if (headers[':method'] !== 'POST' || !isGrpc(headers)) return refuse(stream, 405)
    if (call === undefined) return fail(stream, UNIMPLEMENTED, 'no such method')
    receive(stream, (message) => void call(gateway, stream, message))
  })
  return {
    server,
    async close(graceMs) {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()))
      for (const session of sessions) session.close()
      const timer = setTimeout(() => {
        for (const session of sessions) session.destroy()
      }, graceMs)
      await closed
      clearTimeout(timer)
    },
  }
}

export type GrpcAuthz = {
  readonly server: Http2Server
  /** Takes no new inquiries, answers those at hand, and cuts off what is left. */
  close(graceMs: number): Promise<void>
}

type Call = (gateway: GatewayState, stream: ServerHttp2Stream, message: Buffer) => Promise<void>

const check: Call = async (gateway, stream, message) => {
  let original
  try {
    original = readCheckRequest(message, addressOf(stream.session))
  } catch {
    return fail(stream, INVALID_ARGUMENT, 'not a CheckRequest')
  }
  reply(stream, checkResponse(await judge(gateway, original)))
}

const health: Call = async ({ leaving }, stream) => reply(stream, numberField(1, leaving ? 2 : 1))

/** One message and its end (the length-prefixed message of gRPC over HTTP/2). */
function receive(stream: ServerHttp2Stream, take: (message: Buffer) => void): void {
  const chunks: Buffer[] = []
  let length = 0
  stream.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length <= mostBytes) chunks.push(chunk)
    else if (!stream.headersSent) fail(stream, RESOURCE_EXHAUSTED, 'the inquiry is too long')
  })
  stream.on('end', () => {
    if (stream.headersSent || stream.destroyed) return
    const frame = Buffer.concat(chunks)
    if (frame.length < 5 || frame.readUInt32BE(1) !== frame.length - 5) {
      return fail(stream, INVALID_ARGUMENT, 'not one message')
    }
    if (frame[0] !== 0) return fail(stream, UNIMPLEMENTED, 'compression is not spoken')
    take(frame.subarray(5))
  })
}

function reply(stream: ServerHttp2Stream, message: Buffer): void {
  if (stream.destroyed || stream.closed) return
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.end(Buffer.concat([prefix, message]))
}

function fail(stream: ServerHttp2Stream, status: number, message: string): void {
  if (stream.destroyed || stream.headersSent) return
  const headers = { 'content-type': 'application/grpc', 'grpc-status': `${status}`, 'grpc-message': message }
  stream.respond({ ':status': 200, ...headers }, { endStream: true })
}

function refuse(stream: ServerHttp2Stream, status: number): void {
  stream.respond({ ':status': status }, { endStream: true })
}

function isGrpc(headers: IncomingHttpHeaders): boolean {
  const type = headers['content-type'] ?? ''
  return type === 'application/grpc' || type.startsWith('application/grpc+proto')
}

function addressOf(
  session: { readonly socket?: { readonly remoteAddress?: string | undefined } } | undefined,
): string {
  return plainAddress(session?.socket?.remoteAddress ?? 'unknown')
}

const calls: ReadonlyMap<string, Call> = new Map([
  ['/envoy.service.auth.v3.Authorization/Check', check],
  ['/grpc.health.v1.Health/Check', health],
])
/** Headers alone are below 64 KiB; beside them Envoy may send a part of the body, which nobody reads. */
const mostBytes = 1024 * 1024
const maxConcurrentStreams = 1_000
/** Status codes of gRPC. */
const INVALID_ARGUMENT = 3
const RESOURCE_EXHAUSTED = 8
const UNIMPLEMENTED = 12
