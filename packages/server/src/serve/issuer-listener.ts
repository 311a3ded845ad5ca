import { createServer } from '../net/node-http.ts'
import type { RequestListener, Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { issuerServerOptions, protectServer } from '../issuer/http/server-options.ts'
import type { Log } from '../log.ts'
import { createTlsListener } from '../net/tls-listener.ts'
import type { IssuerSettings } from '../trust/trust.ts'

/**
 * The issuer's server, not listening yet: with TLS where the trust file has a certificate for it.
 *
 * @throws Problem `tls-files-unusable`
 */
export function createIssuerListener(
  { tls: files, clientCertificates }: Pick<IssuerSettings, 'tls' | 'clientCertificates'>,
  log: Log,
  listener: RequestListener,
): Server {
  if (files === undefined) {
    const server = createServer(issuerServerOptions, listener)
    protectServer(server)
    return server
  }
  const tls = createTlsListener({ tls: files, clientCertificates, where: 'issuer.tls', log })
  const server = createTlsServer({ ...issuerServerOptions, ...tls.options }, listener)
  protectServer(server)
  tls.follow(server)
  server.on('close', () => tls.close())
  return server
}
