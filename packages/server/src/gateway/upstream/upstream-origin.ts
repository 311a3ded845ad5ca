import { isIP } from 'node:net'
import { Problem } from '@countersign/sdk/core'

/** Where an upstream is, read once. */
export type UpstreamOrigin = {
  /** `http://host:port` with what the URL left out filled in; upstreams with the same key share connections. */
  readonly key: string
  readonly tls: boolean
  /** For the resolver; an IPv6 address without brackets. */
  readonly host: string
  readonly port: number
  /** For TLS (RFC 6066 §3 allows no addresses); empty for an address. */
  readonly serverName: string
  /** What the Host header says. */
  readonly authority: string
  /** A path all requests are put under; empty unless the URL has one. */
  readonly basePath: string
}

/**
 * Reads the URL of an upstream.
 *
 * @param where how a message names it, such as `services.billing.upstream`
 * @throws Problem `upstream-invalid` unless it is http or https, with no credentials, query or fragment
 * @example
 * readOrigin('http://127.0.0.1:9101', 'services.billing.upstream').authority // '127.0.0.1:9101'
 */
export function readOrigin(url: string, where: string): UpstreamOrigin {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
    throw invalid(where, 'expected http:// or https:// and a host', 'write it like http://127.0.0.1:9101')
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw invalid(where, 'credentials in the URL', 'take them out; they would stand in logs')
  }
  if (parsed.search !== '' || parsed.hash !== '' || url.endsWith('?') || url.endsWith('#')) {
    throw invalid(where, 'a query or fragment in the URL', 'leave it at scheme, host, port and path')
  }
  const tls = parsed.protocol === 'https:'
  const host = parsed.hostname.startsWith('[') ? parsed.hostname.slice(1, -1) : parsed.hostname
  const port = parsed.port === '' ? (tls ? 443 : 80) : Number(parsed.port)
  return Object.freeze({
    key: `${parsed.protocol}//${parsed.hostname}:${port}`,
    tls,
    host,
    port,
    serverName: isIP(host) !== 0 ? '' : host,
    authority: parsed.host,
    basePath: parsed.pathname.endsWith('/') ? parsed.pathname.slice(0, -1) : parsed.pathname,
  })
}

function invalid(where: string, what: string, next: string): Problem {
  return new Problem('upstream-invalid', `${where}: ${what}`, { next })
}
