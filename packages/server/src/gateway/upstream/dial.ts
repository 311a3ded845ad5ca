import { connect as connectPlain } from 'node:net'
import type { OnReadOpts, Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { SecureContext } from 'node:tls'
import type { UpstreamOrigin } from './upstream-origin.ts'

/**
 * Begins a connection to an upstream: over TLS only to who has a good certificate for the name we mean.
 *
 * @param protocol what is spoken on it, as ALPN names it (RFC 7301)
 * @param security what the machine trusts, and no certificate of ours, unless given
 * @param nowMs on the ticker's scale
 */
export function dial(
  origin: UpstreamOrigin,
  protocol: 'http/1.1' | 'h2',
  security: UpstreamSecurity | undefined,
  nowMs: number,
  onread?: OnReadOpts,
): Socket {
  const options = {
    host: origin.host,
    port: origin.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    ...(onread === undefined ? {} : { onread }),
  }
  if (!origin.tls) return connectPlain(options)
  const secureContext = security?.context(nowMs)
  return connectTls({
    ...options,
    servername: security?.serverName ?? origin.serverName,
    ALPNProtocols: [protocol],
    ...(secureContext === undefined ? {} : { secureContext }),
  })
}

/** How a target proves who it is, and we to it. */
export type UpstreamSecurity = {
  /** The name its certificate must have; the host's unless given. */
  readonly serverName: string | undefined
  /** Trusted authorities and our certificate, as of now. */
  context(nowMs: number): SecureContext | undefined
}

/** The event that tells that a connection of {@link dial} stands. */
export function standsEvent(origin: UpstreamOrigin): 'connect' | 'secureConnect' {
  return origin.tls ? 'secureConnect' : 'connect'
}

/** Whether an error of a connection is about certificates: OpenSSL's codes have an underscore, the system's have none. */
export function isTlsError({ code = '' }: NodeJS.ErrnoException): boolean {
  return (code.includes('_') && !code.startsWith('EAI_')) || code === 'EPROTO'
}
