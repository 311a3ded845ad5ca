import { X509Certificate } from 'node:crypto'
import { isIP, SocketAddress } from 'node:net'
import { deny } from '@countersign/sdk/core'
import type { Denial } from '@countersign/sdk/core'
import type { CertificateReader, ShownCertificate } from '@countersign/sdk/policy'
import { alternativeNames, hasSubject, readDistinguishedName } from '../../net/certificate-names.ts'
import type { Client, ClientCertificate } from '../../trust/trust.ts'
import type { Showing } from '../token/binding.ts'
import type { AuthRefusal } from './client-auth.ts'
import { refuse } from '../http/refusal.ts'

/** Says whether a certificate is that of a client. */
export type CertificateAuth = {
  authenticate(clientId: string, showing: Showing): Client | AuthRefusal
}

export type CertificateAuthOptions = {
  readonly clients: Iterable<Client>
  /** Finds those that the store keeps; nobody unless given. */
  readonly managed?: (clientId: string, nowMs: number) => Client | undefined
  readonly certificates: CertificateReader
  /** Who may sign certificates that are known by a name in them; nobody unless given. */
  readonly authorities?: (() => readonly X509Certificate[]) | undefined
}

/**
 * Authenticates by the certificate of the TLS connection (RFC 8705 §2), which its sender holds the key of: by a
 * thumbprint that the trust file has, or by one name in a certificate that an authority of the trust file has signed.
 *
 * OpenSSL has checked the chain of a connection's own certificate. One that a proxy wrote down is checked here, and must
 * be signed by an authority itself: those in between stand in the file as well.
 *
 * @example
 * const auth = createCertificateAuth({ clients, certificates, authorities })
 * auth.authenticate('orders', { peer: request.socket, rawHeaders: request.rawHeaders, nowMs })
 */
export function createCertificateAuth(options: CertificateAuthOptions): CertificateAuth {
  const { certificates, authorities, managed } = options
  const known = new Map([...options.clients].map((client) => [client.id, client]))
  // A connection shows one object, however many requests it carries.
  const opened = new WeakMap<ShownCertificate, X509Certificate | null>()

  return {
    authenticate(clientId, showing) {
      const { rawHeaders = [], peer, nowMs } = showing
      const shown = certificates.certificateOf(rawHeaders, peer)
      if (shown === undefined) return nothingShown
      const client = known.get(clientId) ?? managed?.(clientId, nowMs)
      if (client?.certificate === undefined) return refusedAs(deny('issuer-mismatch', 'no client of that id'))
      const certificate = open(shown)
      if (certificate === null) return refusedAs(deny('credentials-malformed', 'no certificate'), clientId)
      const denial =
        checkDates(certificate, nowMs) ??
        (client.certificate.kind === 'registered'
          ? checkThumbprint(client.certificate.thumbprints, shown)
          : (checkSigner(certificate, shown, showing) ?? checkName(client.certificate, certificate)))
      return denial === undefined ? client : refusedAs(denial, clientId)
    },
  }

  function open(shown: ShownCertificate): X509Certificate | null {
    let certificate = opened.get(shown)
    if (certificate === undefined) {
      certificate = parse(shown.der)
      opened.set(shown, certificate)
    }
    return certificate
  }

  function checkSigner(
    certificate: X509Certificate,
    { byProxy }: ShownCertificate,
    { peer, nowMs }: Showing,
  ): Denial | undefined {
    if (authorities === undefined) return deny('key-unknown', 'no authority is trusted to sign certificates')
    const isSigned = byProxy
      ? authorities().some((authority) => signs(authority, certificate, nowMs)) && isForClients(certificate)
      : (peer as { readonly authorized?: unknown } | undefined)?.authorized === true
    return isSigned ? undefined : deny('signature-invalid', 'no authority of the trust file has signed it')
  }
}

function parse(der: Uint8Array): X509Certificate | null {
  try {
    return new X509Certificate(der)
  } catch {
    return null
  }
}

function checkDates({ validFromDate, validToDate }: X509Certificate, nowMs: number): Denial | undefined {
  if (validFromDate.getTime() <= nowMs && nowMs <= validToDate.getTime()) return undefined
  return deny('token-expired', 'the certificate is not good now')
}

function checkThumbprint(known: readonly string[], { thumbprint }: ShownCertificate): Denial | undefined {
  return known.includes(thumbprint) ? undefined : deny('confirmation-mismatch', 'another certificate')
}

/** RFC 5280 §6.1.3: names fit, the signature does, and whoever signed may sign. */
function signs(authority: X509Certificate, certificate: X509Certificate, nowMs: number): boolean {
  return (
    authority.ca &&
    checkDates(authority, nowMs) === undefined &&
    certificate.checkIssued(authority) &&
    certificate.verify(authority.publicKey)
  )
}

/** RFC 5280 §4.2.1.12: one that says what it is for must say this. */
function isForClients({ keyUsage }: X509Certificate): boolean {
  const purposes = keyUsage as readonly string[] | undefined
  return purposes === undefined || purposes.includes(clientAuth) || purposes.includes(anyPurpose)
}

function checkName(
  { by, name }: ClientCertificate & { kind: 'named' },
  certificate: X509Certificate,
): Denial | undefined {
  const fits =
    by === 'subject'
      ? hasSubjectText(certificate, name)
      : alternativeNames(certificate, by).some(isSame(by, name))
  return fits ? undefined : deny('claim-refused', `its ${by} is another`)
}

function hasSubjectText(certificate: X509Certificate, text: string): boolean {
  const name = readDistinguishedName(text)
  return name !== undefined && hasSubject(certificate, name)
}

/** Exactly; but an address has many spellings, and a DNS name no case (RFC 5280 §7.2). */
function isSame(by: Exclude<ClientCertificate & { kind: 'named' }, never>['by'], name: string) {
  const normal = (text: string): string => {
    if (by === 'dns') return text.toLowerCase()
    const version = by === 'ip' ? isIP(text) : 0
    return version === 0
      ? text
      : new SocketAddress({ address: text, family: version === 6 ? 'ipv6' : 'ipv4' }).address
  }
  const expected = normal(name)
  return (found: string): boolean => normal(found) === expected
}

/** The same words whatever is wrong: who is registered, and how, is not told. */
function refusedAs(denial: Denial, clientId?: string): AuthRefusal {
  return {
    ...refuse('invalid_client', 'unknown client, or another certificate than its own'),
    denial,
    ...(clientId === undefined ? {} : { clientId }),
  }
}

const nothingShown: AuthRefusal = refuse('invalid_client', 'no client authentication: nothing was shown', {
  challenge: true,
})
const clientAuth = '1.3.6.1.5.5.7.3.2'
const anyPurpose = '2.5.29.37.0'
