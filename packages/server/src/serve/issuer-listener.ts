import { createServer } from '../net/node-http.ts'
import type { RequestListener, Server } from 'node:http'
import { issuerServerOptions, protectServer } from '../issuer/http/server-options.ts'
import type { Log } from '../log.ts'
import type { ClientCertificateSettings, TlsSettings } from '../trust/trust.ts'

export type IssuerListenerOptions = {
  readonly tls?: TlsSettings | undefined
  readonly clientCertificates?: ClientCertificateSettings | undefined
  /** The section of the trust file, for messages. */
  readonly where: 'issuer.tls' | 'issuer.admin.tls'
  readonly log: Log
}

/**
 * A server for the issuer or its admin API, not listening yet: with TLS where the trust file has a certificate for it.
 *
 * @throws Problem `tls-files-unusable`
 */
export async function createIssuerListener(
  { tls: files, clientCertificates, where, log }: IssuerListenerOptions,
  listener: RequestListener,
): Promise<Server> {
  if (files === undefined) {
    const server = createServer(issuerServerOptions, listener)
    protectServer(server)
    return server
  }
  const [{ createServer: createTlsServer }, { createTlsListener }] = await Promise.all([
    import('node:https'),
    import('../net/tls-listener.ts'),
  ])
  const tls = createTlsListener({ tls: files, clientCertificates, where, log })
  const server = createTlsServer({ ...issuerServerOptions, ...tls.options }, listener)
  protectServer(server)
  tls.follow(server)
  server.on('close', () => tls.close())
  return server
}
