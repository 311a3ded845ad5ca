import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createKeySet, createSigner, generateSigningKey, verificationKey } from '@countersign/sdk/jwt'
import type { SigningKey } from '@countersign/sdk/jwt'
import type { DecisionRecord } from '../../packages/server/src/gateway/decision/decision.ts'
import { createGateway } from '../../packages/server/src/gateway/gateway.ts'
import type { Gateway, GatewayOptions } from '../../packages/server/src/gateway/gateway.ts'
import type { GatewayLimits } from '../../packages/server/src/gateway/front/limits.ts'
import type {
  AuthzSettings,
  Route,
  Service,
  TlsSettings,
  Trust,
  UpstreamSettings,
} from '../../packages/server/src/trust/trust.ts'

/**
 * A gateway on a loopback port with real keys, for tests: one service "billing" at /billing in front of the given
 * upstream, with an open, an authenticated and several guarded routes.
 */
export async function openStand(upstreamUrl: string, options: StandOptions = {}): Promise<Stand> {
  const key = options.key ?? generateSigningKey('ES256', { keyId: 'test-1' })
  const decisions: DecisionRecord[] = []
  const trust = standTrust(upstreamUrl, options)
  const gateway = createGateway({
    trust,
    ...(options.remoteIssuer === undefined
      ? { ownIssuer: { issuer: standIssuer, keySet: createKeySet([verificationKey(key)]) } }
      : {}),
    onDecision: (record) => decisions.push(record),
    limits: { drainMs: 500, ...options.limits },
    ...options.gateway,
  })
  gateway.server.listen(0, '127.0.0.1')
  await once(gateway.server, 'listening')
  const { port } = gateway.server.address() as AddressInfo
  const signer = createSigner({ key })
  return {
    gateway,
    port,
    trust,
    decisions,
    token: (claims = {}) => signer.sign({ ...standClaims(), ...claims }),
    close: () => gateway.close(),
  }
}

export type StandOptions = {
  readonly key?: SigningKey
  /** Where our issuer is, when it is not to be in this process. */
  readonly remoteIssuer?: string
  readonly limits?: Partial<GatewayLimits>
  readonly service?: Partial<Service>
  readonly services?: readonly Service[]
  readonly gateway?: Partial<GatewayOptions>
  /** The gateway's own certificate; plain without. */
  readonly tls?: TlsSettings
  /** Decision endpoints for other proxies. */
  readonly authz?: readonly AuthzSettings[]
}

export type Stand = {
  readonly gateway: Gateway
  readonly port: number
  readonly trust: Trust
  readonly decisions: DecisionRecord[]
  /** A token of our own issuer for billing, for "orders" with role reader, unless the claims say otherwise. */
  token(claims?: Readonly<Record<string, unknown>>): string
  close(): Promise<void>
}

export function standTrust(upstreamUrl: string, options: StandOptions = {}): Trust {
  const services = [standService(upstreamUrl, options.service), ...(options.services ?? [])]
  return {
    file: 'test.yaml',
    issuer: options.remoteIssuer === undefined ? undefined : issuerAt(options.remoteIssuer),
    gateway: {
      listen: { host: '127.0.0.1', port: 0 },
      realm: 'acme',
      ...(options.authz === undefined ? {} : { authz: options.authz }),
      ...(options.tls === undefined ? {} : { tls: options.tls }),
    },
    trusted: new Map(),
    services: new Map(services.map((service) => [service.name, service])),
    clients: new Map(),
  }
}

/** The settings of an issuer of ours at some URL. */
export function issuerAt(url: string): NonNullable<Trust['issuer']> {
  return {
    url,
    listen: { host: '127.0.0.1', port: 0 },
    store: { kind: 'memory' },
    keys: { algorithm: 'ES256', rotateEverySeconds: 86_400, seal: undefined, dangerouslyUnsealed: true },
    tokens: { lifetimeSeconds: 300 },
  }
}

export function standService(upstreamUrl: string, changes: Partial<Service> = {}): Service {
  return {
    name: 'billing',
    audience: 'https://billing.acme.example',
    roles: ['reader', 'admin'],
    scopes: ['invoices:write'],
    upstream: upstreamUrl,
    at: '/billing',
    host: undefined,
    accepts: [],
    acceptsOwn: true,
    tokenFrom: [{ kind: 'bearer' }],
    routes: standRoutes,
    ...changes,
  }
}

/** What several URLs in `upstream` mean, with changes. */
export function poolOf(
  targets: readonly string[],
  changes: Partial<UpstreamSettings> = {},
): Pick<Service, 'upstreamSettings'> {
  const timeouts = {
    connectSeconds: undefined,
    replySeconds: undefined,
    stallSeconds: undefined,
    idleSeconds: undefined,
  }
  return {
    upstreamSettings: {
      targets,
      balance: 'least-pending',
      protocol: 'http/1.1',
      timeouts,
      connections: undefined,
      waiting: undefined,
      eject: { after: 5, forSeconds: 10 },
      probe: undefined,
      retries: { most: 1, percent: 20 },
      tls: undefined,
      ...changes,
    },
  }
}

/** The claims of an access token (RFC 9068) for the client "orders". */
function standClaims(): Record<string, unknown> {
  const nowSeconds = Math.floor(Date.now() / 1000)
  return {
    iss: standIssuer,
    aud: 'https://billing.acme.example',
    sub: 'orders',
    client_id: 'orders',
    iat: nowSeconds,
    exp: nowSeconds + 300,
    jti: 'token-1',
    roles: ['reader'],
  }
}

/** What an upstream under a test's control does with the text of a request. */
export type Script = (socket: Socket, requestText: string, index: number) => void

export type ScriptedUpstream = {
  readonly url: string
  /** All that arrived, one entry a request; a body that came in the same packet is part of it. */
  readonly requests: string[]
  readonly sockets: Set<Socket>
  close(): Promise<void>
}

/** An upstream that does to its sockets what the script says, whatever HTTP thinks of it. */
export async function openUpstream(
  script: Script = (socket) => socket.write(okReply('ok')),
): Promise<ScriptedUpstream> {
  const requests: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    let text = ''
    socket.setEncoding('latin1')
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (piece: string) => {
      text += piece
      if (!text.includes('\r\n\r\n')) return
      requests.push(text)
      const whole = text
      text = ''
      script(socket, whole, requests.length - 1)
    })
  })
  const url = `http://127.0.0.1:${await listenOn(server)}`
  return {
    url,
    requests,
    sockets,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

export function okReply(body: string, ...headers: string[]): string {
  return ['HTTP/1.1 200 OK', ...headers, `Content-Length: ${body.length}`, '', body].join('\r\n')
}

/** A port of our own on loopback. */
export async function listenOn(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A client that writes bytes and reads what comes, with no idea of HTTP of its own beyond where a reply ends. */
export class RawClient {
  readonly socket: Socket
  /** What has arrived and has not been taken as a reply. */
  received = ''
  closed = false
  reset = false
  #wake: () => void = () => undefined

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1' })
    this.socket.setEncoding('latin1')
    this.socket.on('data', (piece: string) => {
      this.received += piece
      this.#wake()
    })
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') this.reset = true
    })
    this.socket.on('close', () => {
      this.closed = true
      this.#wake()
    })
  }

  send(text: string): this {
    this.socket.write(text, 'latin1')
    return this
  }

  /** The next reply. @throws when none has come within the time, or the connection closed before its end */
  async reply(timeoutMs = 10_000, isHead = false): Promise<RawReply> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const reply = takeReply(this.received, this.closed, isHead)
      if (reply !== undefined) {
        this.received = this.received.slice(reply.length)
        return reply
      }
      if (this.closed) throw new Error(`closed before a reply was complete: ${JSON.stringify(this.received)}`)
      await this.#change(deadline - Date.now())
    }
  }

  /** Waits until the other side has closed the connection. */
  async end(timeoutMs = 10_000): Promise<string> {
    const deadline = Date.now() + timeoutMs
    while (!this.closed) await this.#change(deadline - Date.now())
    return this.received
  }

  destroy(): void {
    this.socket.destroy()
  }

  #change(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`nothing came; so far: ${JSON.stringify(this.received.slice(0, 400))}`)),
        Math.max(0, timeoutMs),
      )
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

export type RawReply = {
  readonly status: number
  /** By lower-case name; repeated ones joined by a line break. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Characters of the whole reply. */
  readonly length: number
}

/** One request on a connection of its own. */
export async function ask(port: number, text: string, timeoutMs?: number): Promise<RawReply> {
  const client = new RawClient(port)
  try {
    return await client.send(text).reply(timeoutMs, text.startsWith('HEAD '))
  } finally {
    client.destroy()
  }
}

/** The text of a request without a body. */
export function get(target: string, ...headers: string[]): string {
  return [`GET ${target} HTTP/1.1`, 'Host: gateway.test', ...headers, '', ''].join('\r\n')
}

export function bearer(token: string): string {
  return `Authorization: Bearer ${token}`
}

/** Waits until something holds. @throws when it does not within the time */
export async function until(holds: () => boolean, what: string, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`still not: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function takeReply(text: string, closed: boolean, isHead: boolean): RawReply | undefined {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  const [statusLine = '', ...lines] = text.slice(0, headEnd).split('\r\n')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}\n${value}`
  }
  const status = Number(statusLine.split(' ')[1])
  const start = headEnd + 4
  const whole = (body: string, end: number): RawReply => ({ status, headers, body, length: end })
  if (isHead || status < 200 || status === 204 || status === 304) return whole('', start)
  const length = headers['content-length']
  if (length !== undefined) {
    const end = start + Number(length)
    return text.length < end ? undefined : whole(text.slice(start, end), end)
  }
  if (headers['transfer-encoding'] === 'chunked') return takeChunks(text, start, whole)
  return closed ? whole(text.slice(start), text.length) : undefined
}

function takeChunks(
  text: string,
  start: number,
  whole: (body: string, end: number) => RawReply,
): RawReply | undefined {
  let body = ''
  for (let at = start; ;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const size = parseInt(text.slice(at, lineEnd), 16)
    const end = lineEnd + 2 + size + 2
    if (text.length < end) return undefined
    if (size === 0) return whole(body, end)
    body += text.slice(lineEnd + 2, end - 2)
    at = end
  }
}

export const standIssuer = 'https://issuer.acme.example'

const standRoutes: readonly Route[] = [
  { method: 'GET', template: '/health', requirement: 'open', line: 10 },
  { method: '*', template: '/echo', requirement: 'authenticated', line: 11 },
  { method: 'POST', template: '/open', requirement: 'open', line: 12 },
  { method: 'GET', template: '/invoices/{id}', requirement: { roles: 'reader' }, line: 13 },
  {
    method: 'POST',
    template: '/invoices',
    requirement: { roles: 'admin', scopes: 'invoices:write' },
    line: 14,
  },
  { method: 'GET', template: '/files/{**}', requirement: { roles: 'reader' }, line: 15 },
  { method: 'GET', template: '/', requirement: 'open', line: 16 },
]
