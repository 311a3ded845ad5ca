import { createServer, ServerResponse } from '../../net/node-http.ts'
import type { IncomingMessage, Server, ServerOptions } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { Server as NetServer } from 'node:net'
import type { Socket } from 'node:net'
import { answerText, plainAnswer, sendAnswer } from './answer.ts'
import type { OwnStatus } from './answer.ts'
import { ClientConnection } from './client-connection.ts'
import type { Client, ClientReply, ClientRequest } from './client-connection.ts'
import { Http2Front } from './http2-front.ts'
import type { GatewayLimits } from './limits.ts'
import { isWebSocketUpgrade } from './request-gate.ts'
import type { TlsListener } from '../../net/tls-listener.ts'

/**
 * The server towards clients: Node's own parser with every leniency off and every limit set. It settles where requests
 * begin and end; what they mean is settled by whoever is given them, one at a time per connection.
 *
 * Not listening yet: call `listen` on it.
 */
export function createFrontServer(limits: GatewayLimits, serve: Serve, tls?: TlsListener): Front {
  const connections = new Map<Socket, ClientConnection>()
  const streams = new Http2Front(limits, serve)
  const server = tls === undefined ? createServer(serverOptions(limits)) : tlsServer(limits, streams, tls)
  // Node drops headers beyond its default of 2000 in silence; ours are bounded by the size of the head, and by the gate.
  server.maxHeadersCount = 0
  server.timeout = 0

  const accept = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void => {
    const client = connections.get(request.socket)
    client?.take(response, () => serve(client, request, response, expectsContinue, false))
  }
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    if ('alpnProtocol' in socket && socket.alpnProtocol === 'h2') return
    connections.set(socket, new ClientConnection(socket, limits))
    socket.on('close', () => connections.delete(socket))
  })
  server.on('request', (request, response) => accept(request, response, false))
  // Answered "100 Continue" only once the request is allowed.
  server.on('checkContinue', (request, response) => accept(request, response, true))
  server.on('checkExpectation', (request, response) => {
    const client = connections.get(request.socket)
    client?.take(response, () =>
      sendAnswer(plainAnswer(417), client, request, response, { unread: false, close: true }),
    )
  })
  if (canChooseUpgrades) {
    server.on('upgrade', (request, socket, early) => {
      // Node has taken its own listener off, and an error that nobody hears ends the process.
      socket.on('error', () => undefined)
      const client = connections.get(socket as Socket)
      // What it came behind has its turn first.
      client?.serve()
      // Who sends more before it has an answer may be passing on what somebody else has written (RFC 9931).
      if (client === undefined || client.owesReply || client.closing || early.length > 0) {
        return closeWith(client?.owesReply === true ? undefined : 400, socket as Socket)
      }
      // Node's parser has let go of the connection: whatever is answered is the last on it.
      const response = new ServerResponse(request)
      response.shouldKeepAlive = false
      response.assignSocket(socket as Socket)
      response.once('finish', () => (socket as Socket).destroySoon())
      serve(client, request, response, false, true)
    })
  }
  // Not passed on to the request listeners: without this, Node would close the connection without a word.
  server.on('connect', (_request, socket) => closeWith(501, socket as Socket))
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const client = connections.get(socket as Socket)
    const replying = client?.replying === true
    const closing = client?.closing === true
    client?.abort()
    // In the middle of a reply there is no way to say anything more, and after the last one no need.
    if (replying || !socket.writable || error.code === 'ECONNRESET') socket.destroy()
    else if (closing) closeWith(undefined, socket as Socket)
    else closeWith(parserErrors.get(error.code ?? '') ?? 400, socket as Socket)
  })
  const end = async (unnoticed = false): Promise<void> => {
    const { drainMs } = limits
    const patientMs = unnoticed ? drainMs : 0
    const graceMs = unnoticed ? drainMs * unnoticedTimes : drainMs
    tls?.close()
    streams.retire()
    await close(server, connections, streams, { patientMs, graceMs })
  }
  return { server, close: end }
}

/** The server, and how to end it. */
export type Front = {
  readonly server: Server
  /**
   * Stops listening, lets what is under way come to its end for as long as the limits allow, and then cuts it off.
   *
   * @param unnoticed others go on at the same address: idle connections may send one more request, whose reply tells
   *   that they close, and more time is given
   */
  close(unnoticed?: boolean): Promise<void>
}

/**
 * Serves one request.
 *
 * @param expectsContinue its body comes only after "100 Continue"
 * @param upgradable the connection is out of the parser's hands, and can become a WebSocket
 */
export type Serve = (
  client: Client,
  request: ClientRequest,
  response: ClientReply,
  expectsContinue: boolean,
  upgradable: boolean,
) => void

async function close(
  server: Server,
  connections: ReadonlyMap<Socket, ClientConnection>,
  streams: Http2Front,
  { patientMs, graceMs }: { readonly patientMs: number; readonly graceMs: number },
): Promise<void> {
  // Not http's own way of closing, which destroys connections with a reply that has ended but not left yet.
  const ended = new Promise<void>((resolve) => void NetServer.prototype.close.call(server, () => resolve()))
  for (const client of connections.values()) client.retire(patientMs)
  const timer = setTimeout(() => {
    for (const socket of connections.keys()) socket.destroy()
    streams.destroy()
  }, graceMs)
  await ended
  clearTimeout(timer)
  // Now there is nothing left for it to destroy, and it ends its timers.
  server.close(() => undefined)
}

/** One port for both versions: which one a connection speaks it says in its handshake (ALPN, RFC 7301). */
function tlsServer(limits: GatewayLimits, streams: Http2Front, tls: TlsListener): Server {
  const server = createTlsServer({
    ...tls.options,
    ...serverOptions(limits),
    ALPNProtocols: ['h2', 'http/1.1'],
  })
  const [serveHttp1] = server.listeners('secureConnection')
  server.removeAllListeners('secureConnection')
  server.on('secureConnection', (socket) => {
    if (socket.alpnProtocol === 'h2') streams.accept(socket)
    else serveHttp1!.call(server, socket)
  })
  tls.follow(server)
  return server
}

function serverOptions(limits: GatewayLimits): ServerOptions {
  const options: ServerOptions & { optimizeEmptyRequests?: boolean } = {
    insecureHTTPParser: false,
    joinDuplicateHeaders: false,
    // The gate says so itself, in our words.
    requireHostHeader: false,
    maxHeaderSize: limits.requestHeadBytes,
    headersTimeout: limits.requestHeadMs,
    // A large body may take its time as long as it keeps coming: the exchange watches that.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.max(100, Math.min(5_000, Math.floor(limits.requestHeadMs / 4))),
    keepAliveTimeout: limits.clientKeepAliveMs,
    noDelay: true,
    // Without streams for requests that have no body; older versions of Node take no notice.
    optimizeEmptyRequests: true,
    // Asked only about requests that the parser takes for an upgrade.
    ...(canChooseUpgrades ? { shouldUpgradeCallback: isWebSocketUpgrade } : {}),
  }
  return options
}

/** Answers where there is no response object, if anything is to be said, and closes. */
function closeWith(status: OwnStatus | undefined, socket: Socket): void {
  // The other side may leave at any moment, and there is nothing left to do about it.
  socket.on('error', () => undefined)
  socket.end(status === undefined ? '' : answerText(plainAnswer(status)))
  // Not at once: closed on unread bytes, the connection is reset and the answer may be lost on the way.
  const timer = setTimeout(() => socket.destroy(), lingerMs)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
}

/** Before 24.9 a listener for upgrades would get all of them, the offers of h2c as well: there is none then. */
const canChooseUpgrades = isAtLeast(process.versions.node, 24, 9)

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [ourMajor = 0, ourMinor = 0] = version.split('.').map(Number)
  return ourMajor > major || (ourMajor === major && ourMinor >= minor)
}

const lingerMs = 500
/** Nobody waits for those who are replaced, so their requests may take longer. */
const unnoticedTimes = 6

const parserErrors: ReadonlyMap<string, OwnStatus> = new Map([
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413],
  ['HPE_HEADER_OVERFLOW', 431],
])
