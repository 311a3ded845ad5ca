import type { Server, ServerOptions } from 'node:http'

/**
 * Options for the `node:http` server an issuer's listener runs on. A token request is a few hundred bytes that are
 * there at once, so whoever takes long is given up early: slow heads and bodies hold a connection, and nothing else.
 *
 * @example
 * const server = createServer(issuerServerOptions, issuer.listener)
 * protectServer(server)
 */
export const issuerServerOptions: ServerOptions = Object.freeze({
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  connectionsCheckingInterval: 5_000,
  // Longer than the 60 s after which common load balancers stop reusing a connection, so that they close it first.
  keepAliveTimeout: 65_000,
  requireHostHeader: true,
  insecureHTTPParser: false,
  joinDuplicateHeaders: false,
  noDelay: true,
})

/** What can be set on the server only. */
export function protectServer(server: Server): void {
  server.maxHeadersCount = 64
  // A client that does not take its reply would have us keep it for ever.
  server.timeout = 60_000
}
