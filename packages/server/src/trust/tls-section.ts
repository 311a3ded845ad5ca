import { fileReference } from './file-reference.ts'
import { mistake, shown } from './reading.ts'
import type { Located, Reading } from './reading.ts'
import { isFieldName, word } from './scalars.ts'
import { fields, located, optional, required, text } from './shape.ts'
import type { Shape } from './shape.ts'
import type { ClientCertificateSettings, TlsSettings } from './trust.ts'

type Part = 'issuer' | 'gateway'

/** `issuer.tls` and `gateway.tls`: the listener's own certificate. */
export function tlsSection(part: Part) {
  return fields({
    certificate: required(fileReference(part), 'Its certificate and those between it and the root, as PEM.'),
    key: required(fileReference(part), 'The key of that certificate, as PEM.'),
  })
}

type TlsDraft = ReturnType<typeof tlsSection> extends Shape<infer T> ? T : never

export function resolveTls(draft: TlsDraft | undefined): { readonly tls?: TlsSettings } {
  const { certificate, key } = draft ?? {}
  if (certificate === undefined || key === undefined) return {}
  return { tls: { certificateFile: certificate, keyFile: key } }
}

/** `issuer.clientCertificates` and `gateway.clientCertificates` (RFC 8705). */
export function clientCertificatesSection(part: Part) {
  return fields({
    authorities: optional(
      located(fileReference(part)),
      'Who may sign clients’ certificates, as PEM; needed for clients that are known by the names in them.',
    ),
    header: optional(
      located(text(readHeaderName, {}, { overridable: false })),
      'The header in which trustedProxies write down the certificate that a client has shown them.',
    ),
    encoding: optional(
      located(word(['rfc9440', 'der', 'pem'])),
      'How they write it: rfc9440 (:base64:, unless said otherwise), der (base64 alone) or pem (percent-encoded).',
    ),
  })
}

type CertificatesDraft = ReturnType<typeof clientCertificatesSection> extends Shape<infer T> ? T : never

export function resolveClientCertificates(
  draft: Located<CertificatesDraft> | undefined,
  { hasTls, hasProxies }: { readonly hasTls: boolean; readonly hasProxies: boolean },
  reading: Reading,
): { readonly clientCertificates?: ClientCertificateSettings } {
  if (draft === undefined) return {}
  const { authorities, header, encoding } = draft.value
  if (header === undefined && !hasTls) {
    mistake(
      reading,
      draft,
      'nobody can show a certificate here',
      'add `tls`, or `header` for a proxy that ends TLS',
    )
  }
  if (header !== undefined && !hasProxies) {
    mistake(reading, header, 'nobody is trusted to write this header', 'list your proxies in trustedProxies')
  }
  if (encoding !== undefined && header === undefined) {
    mistake(reading, encoding, 'there is no header to read', 'write `header: Client-Cert` beside it')
  }
  return {
    clientCertificates: {
      ...(authorities === undefined ? {} : { authoritiesFile: authorities.value }),
      ...(header === undefined
        ? {}
        : { header: { name: header.value, encoding: encoding?.value ?? 'rfc9440' } }),
    },
  }
}

function readHeaderName(value: string) {
  // Joined from several, or read by others too: a certificate in one of these is none of ours.
  const taken = ['authorization', 'cookie', 'forwarded', 'host', 'dpop'].includes(value.toLowerCase())
  return isFieldName(value) && !taken
    ? { value }
    : { message: `expected the name of a header such as Client-Cert, got ${shown(value)}` }
}
