import { constants, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { SecureContextOptions, Server, TlsOptions } from 'node:tls'
import type { Log } from '../log.ts'
import { PemFiles } from './pem-files.ts'
import type { ClientCertificateSettings, TlsSettings } from '../trust/trust.ts'

export type TlsListenerOptions = {
  readonly tls: TlsSettings
  /** Undefined: clients are asked for no certificate. */
  readonly clientCertificates?: ClientCertificateSettings | undefined
  /** The section of the trust file, for messages. */
  readonly where: string
  readonly log: Log
  /** How often to look at the files, milliseconds; 5000 unless given. */
  readonly lookEveryMs?: number
}

/**
 * TLS of a listener out of files that somebody else renews. A client may show a certificate or not, signed by whomever:
 * what it is good for is decided by those who read it.
 *
 * @throws Problem `tls-files-unusable`
 * @example
 * const tls = createTlsListener({ tls: settings.tls, where: 'issuer.tls', log })
 * const server = createServer({ ...tls.options, ...issuerServerOptions }, listener)
 * tls.follow(server)
 */
export function createTlsListener(options: TlsListenerOptions): TlsListener {
  const { tls, clientCertificates, where, log, lookEveryMs = 5_000 } = options
  const { certificateFile, keyFile } = tls
  const authoritiesFile = clientCertificates?.authoritiesFile
  const load = (): SecureContextOptions => {
    const cert = readFileSync(certificateFile, 'utf8')
    // Nobody would connect any more, which is worse than going on with one that ends soon.
    if (new X509Certificate(cert).validToDate.getTime() < Date.now())
      throw new Error('the certificate has expired')
    const context: SecureContextOptions = {
      minVersion: 'TLSv1.2',
      ciphers,
      cert,
      key: readFileSync(keyFile, 'utf8'),
      ...(authoritiesFile === undefined ? {} : { ca: readFileSync(authoritiesFile, 'utf8') }),
      // A resumed session would carry over what was found out about a certificate, past its end and its authority's.
      ...(clientCertificates === undefined ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
    }
    // Throws when certificate and key do not belong together.
    createSecureContext(context)
    return context
  }
  const paths = [certificateFile, keyFile, ...(authoritiesFile === undefined ? [] : [authoritiesFile])]
  const files = new PemFiles({ paths, load, where, log, lookEveryMs })
  let timer: NodeJS.Timeout | undefined

  return {
    options: {
      ...files.current(),
      handshakeTimeout: 10_000,
      ALPNProtocols: ['http/1.1'],
      ...(clientCertificates === undefined ? {} : { requestCert: true, rejectUnauthorized: false }),
    },
    follow(server) {
      let used = files.current()
      timer = setInterval(() => {
        const now = files.current()
        if (now === used) return
        used = now
        server.setSecureContext(now)
      }, lookEveryMs).unref()
    },
    close: () => clearInterval(timer),
  }
}

export type TlsListener = {
  /** For `node:https` or `node:tls`. */
  readonly options: TlsOptions
  /** Gives the server what the files hold from now on. */
  follow(server: Pick<Server, 'setSecureContext'>): void
  close(): void
}

/** RFC 9325 §4.2 for TLS 1.2: forward secrecy and authenticated encryption, nothing else. */
const ciphers = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')
