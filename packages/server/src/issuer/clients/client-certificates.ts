import type { X509Certificate } from 'node:crypto'
import { createCertificateReader } from '@countersign/sdk/policy'
import type { CertificateReader } from '@countersign/sdk/policy'
import type { Log } from '../../log.ts'
import { PemFiles, readCertificates } from '../../net/pem-files.ts'
import type { IssuerSettings, Trust } from '../../trust/trust.ts'

/** How the issuer learns of client certificates. */
export type ClientCertificates = {
  readonly certificates: CertificateReader
  readonly authorities: (() => readonly X509Certificate[]) | undefined
  /** Goes by another trust file's proxies from the next request on. */
  replace(trust: Pick<Trust, 'trustedProxies'>): void
}

/**
 * Opens what the trust file says about client certificates; undefined when no client shows one.
 *
 * @throws Problem `tls-files-unusable`
 */
export function openClientCertificates(
  { clientCertificates }: Pick<IssuerSettings, 'clientCertificates'>,
  trust: Pick<Trust, 'trustedProxies'>,
  log: Log,
): ClientCertificates | undefined {
  if (clientCertificates === undefined) return undefined
  const { header, authoritiesFile } = clientCertificates
  const readerFor = ({ trustedProxies = [] }: Pick<Trust, 'trustedProxies'>): CertificateReader =>
    // With nobody left who may write the header, it is not read at all.
    header === undefined || trustedProxies.length === 0
      ? createCertificateReader()
      : createCertificateReader({ header: header.name, encoding: header.encoding, proxies: trustedProxies })
  let reader = readerFor(trust)
  return {
    certificates: {
      thumbprintOf: (rawHeaders, peer) => reader.thumbprintOf(rawHeaders, peer),
      certificateOf: (rawHeaders, peer) => reader.certificateOf(rawHeaders, peer),
    },
    authorities: authoritiesFile === undefined ? undefined : openAuthorities(authoritiesFile, log),
    replace(changed) {
      reader = readerFor(changed)
    },
  }
}

function openAuthorities(path: string, log: Log): () => readonly X509Certificate[] {
  const files = new PemFiles({
    paths: [path],
    load: () => readCertificates(path),
    where: 'issuer.clientCertificates.authorities',
    log,
  })
  return () => files.current()
}
