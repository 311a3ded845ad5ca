import { createHash } from 'node:crypto'
import type { BlockList } from 'node:net'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'

/** Who sent a request, as the connection tells; a socket of node:net or node:tls is one. */
export type RequestPeer = {
  readonly remoteAddress?: string | undefined
  readonly getPeerX509Certificate?: () => { readonly raw: Uint8Array } | undefined
}

/** Where a proxy that ends TLS writes down the certificate that the client showed it. */
export type CertificateHeader = {
  /** The header's name; the proxy must replace it in every request, whether or not there was a certificate. */
  readonly header: string
  /**
   * How the certificate is written: `rfc9440` (`:base64:`, RFC 9440 §2.1), `der` (base64 alone, as of HAProxy and
   * Traefik), `pem` (percent-encoded, as of nginx's `$ssl_client_escaped_cert`). `rfc9440` unless given.
   */
  readonly encoding?: 'rfc9440' | 'der' | 'pem'
  /** The addresses of the proxies, or their networks (`10.1.0.0/16`). From anybody else the header counts for nothing. */
  readonly proxies: readonly string[]
}

/** Tells which certificate the sender of a request has shown. Made by {@link createCertificateReader}. */
export type CertificateReader = {
  /** The SHA-256 of the client's certificate, base64url (RFC 8705 §3.1); undefined when none was shown. */
  thumbprintOf(rawHeaders: readonly string[], peer: RequestPeer | undefined): string | undefined
  /** The certificate itself; undefined when none was shown. */
  certificateOf(rawHeaders: readonly string[], peer: RequestPeer | undefined): ShownCertificate | undefined
}

/** A client's certificate. That its sender holds the key is known; who signed it, and whether it is still good, is not. */
export type ShownCertificate = {
  /** The SHA-256, base64url. */
  readonly thumbprint: string
  /** As DER. */
  readonly der: Uint8Array
  /** Whether a proxy wrote it down, so that what the connection knows is about the proxy. */
  readonly byProxy: boolean
}

/**
 * Makes a reader of client certificates: the connection's own, and where `from` names proxies, theirs by header. A
 * proxy's own certificate is never taken for its client's.
 *
 * Only the thumbprint counts, so the certificate may be self-signed: the TLS handshake has shown that the sender holds
 * its key. The server must ask for one (`requestCert` of node:tls).
 *
 * @throws Problem `option-invalid` or `option-unknown`.
 * @example
 * const reader = createCertificateReader({ header: 'Client-Cert', proxies: ['10.1.0.0/16'] })
 * const thumbprint = reader.thumbprintOf(req.rawHeaders, req.socket)
 */
export function createCertificateReader(from?: CertificateHeader): CertificateReader {
  const header = from === undefined ? undefined : readHeader(from)
  // A connection shows its certificate once, however many requests it carries.
  const known = new WeakMap<object, { readonly certificate: ShownCertificate | undefined }>()
  const thumbprintOf: CertificateReader['thumbprintOf'] = (rawHeaders, peer) =>
    certificateOf(rawHeaders, peer)?.thumbprint
  return Object.freeze({ thumbprintOf, certificateOf })

  function certificateOf(
    rawHeaders: readonly string[],
    peer: RequestPeer | undefined,
  ): ShownCertificate | undefined {
    if (peer === undefined) return undefined
    if (header?.isProxy(peer.remoteAddress) === true) return header.certificateIn(rawHeaders)
    let remembered = known.get(peer)
    if (remembered === undefined) {
      const certificate = peer.getPeerX509Certificate?.()
      remembered = { certificate: certificate === undefined ? undefined : shown(certificate.raw, false) }
      known.set(peer, remembered)
    }
    return remembered.certificate
  }
}

type TrustedHeader = {
  isProxy(address: string | undefined): boolean
  certificateIn(rawHeaders: readonly string[]): ShownCertificate | undefined
}

function readHeader(from: CertificateHeader): TrustedHeader {
  refuseUnknownOptions('certificateFrom', from, ['header', 'encoding', 'proxies'])
  const { encoding = 'rfc9440' } = from
  if (typeof from.header !== 'string' || from.header === '') throw invalid('header must be a name')
  if (!Object.hasOwn(decoders, encoding)) throw invalid('encoding must be rfc9440, der or pem')
  const name = from.header.toLowerCase()
  const decode = decoders[encoding]
  const proxies = readProxies(from.proxies)
  return {
    isProxy: (address) => address !== undefined && isListed(proxies, address),
    certificateIn: (rawHeaders) => {
      const value = onlyValue(rawHeaders, name)
      const certificate = value === undefined ? undefined : decode(value)
      return certificate === undefined ? undefined : shown(certificate, true)
    },
  }
}

/** Not imported, since node:net would be loaded by every guard, and few stand behind a proxy that ends TLS. */
const net = (): typeof import('node:net') => process.getBuiltinModule('node:net')

function readProxies(listed: readonly string[]): BlockList {
  const { BlockList, isIP } = net()
  if (!Array.isArray(listed) || listed.length === 0) {
    throw invalid('proxies must list at least one address', 'for example proxies: ["127.0.0.1"]')
  }
  const proxies = new BlockList()
  for (const entry of listed) {
    const [address = '', bits, ...rest] = typeof entry === 'string' ? entry.split('/') : []
    const version = isIP(address)
    const most = version === 6 ? 128 : 32
    const prefix = bits === undefined ? most : readBits(bits)
    if (version === 0 || rest.length > 0 || !(prefix >= 0 && prefix <= most)) {
      throw invalid(`${JSON.stringify(entry)} is neither an address nor a network`, 'write 10.1.0.0/16')
    }
    // Whoever may write this header may be anybody.
    if (prefix === 0) throw invalid(`${entry} is everybody`, 'name the networks of your proxies')
    proxies.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4')
  }
  return proxies
}

function readBits(text: string): number {
  return text !== '' && [...text].every((digit) => digit >= '0' && digit <= '9') ? Number(text) : Number.NaN
}

function isListed(proxies: BlockList, address: string): boolean {
  const { isIP } = net()
  // A server that listens for IPv6 names its IPv4 peers so (RFC 4291 §2.5.5.2).
  const plain = address.startsWith(mapped) && isIP(address.slice(mapped.length)) === 4
  const text = plain ? address.slice(mapped.length) : (address.split('%', 1)[0] ?? '')
  const version = isIP(text)
  return version !== 0 && proxies.check(text, version === 6 ? 'ipv6' : 'ipv4')
}

/** Undefined also for two: one of them may be the client's own. */
function onlyValue(rawHeaders: readonly string[], name: string): string | undefined {
  let value: string | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]!.toLowerCase() !== name) continue
    if (value !== undefined) return undefined
    value = rawHeaders[at + 1]!
  }
  return value
}

function fromByteSequence(value: string): Uint8Array | undefined {
  const text = value.trim()
  if (text.length < 3 || !text.startsWith(':') || !text.endsWith(':')) return undefined
  return fromBase64(text.slice(1, -1))
}

function fromPem(value: string): Uint8Array | undefined {
  let text: string
  try {
    text = decodeURIComponent(value)
  } catch {
    return undefined
  }
  const trimmed = text.trim()
  // Exactly one certificate: of a chain, it would have to be guessed which one is the client's.
  if (!trimmed.startsWith(pemBegin) || !trimmed.endsWith(pemEnd)) return undefined
  const body = trimmed.slice(pemBegin.length, -pemEnd.length)
  return fromBase64(body.replaceAll('\n', '').replaceAll('\r', '').replaceAll(' ', ''))
}

/** Undefined for what is not base64 as RFC 4648 §4 has it, with its padding. */
function fromBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.length > 0 && bytes.toString('base64') === text ? bytes : undefined
}

function shown(der: Uint8Array, byProxy: boolean): ShownCertificate {
  return Object.freeze({ thumbprint: createHash('sha256').update(der).digest('base64url'), der, byProxy })
}

function invalid(message: string, next?: string): Problem {
  return new Problem('option-invalid', `certificateFrom: ${message}`, next === undefined ? {} : { next })
}

const mapped = '::ffff:'
const pemBegin = '-----BEGIN CERTIFICATE-----'
const pemEnd = '-----END CERTIFICATE-----'
const decoders: Readonly<Record<'rfc9440' | 'der' | 'pem', (value: string) => Uint8Array | undefined>> = {
  rfc9440: fromByteSequence,
  der: fromBase64,
  pem: fromPem,
}
