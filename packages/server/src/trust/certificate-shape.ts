import { isIP } from 'node:net'
import { readDistinguishedName } from '../net/certificate-names.ts'
import { kindText, mistake, shown } from './reading.ts'
import { fields, oneOrMany, optional, text } from './shape.ts'
import type { Shape, Wrong } from './shape.ts'
import type { CertificateName, ClientCertificate } from './trust.ts'

/** `clients.NAME.authenticate.certificate`: by one name in it, or by its thumbprint. */
export function clientCertificate(): Shape<ClientCertificate> {
  return {
    ...members,
    schema: { ...members.schema, minProperties: 1, maxProperties: 1 },
    read(spot, reading) {
      if (spot.tree.kind !== 'map') {
        return mistake(
          reading,
          spot,
          `expected a map such as { dns: orders.acme.example }, got ${kindText(spot.tree)}`,
        )
      }
      const before = reading.mistakes.length
      const draft = members.read(spot, reading)
      if (draft === undefined || reading.mistakes.length > before) return undefined
      const { thumbprint, ...names } = draft
      const given = Object.entries(names).filter(
        (name): name is [CertificateName, string] => name[1] !== undefined,
      )
      if (given.length + (thumbprint === undefined ? 0 : 1) !== 1) {
        return mistake(reading, spot, 'expected exactly one of subject, dns, uri, ip, email and thumbprint')
      }
      if (thumbprint !== undefined) return { kind: 'registered', thumbprints: [...new Set(thumbprint)] }
      const [[by, name]] = given as [[CertificateName, string]]
      return { kind: 'named', by, name }
    },
  }
}

function name(parse: (value: string) => boolean, expected: string): Shape<string> {
  return text(
    (value): { value: string } | Wrong =>
      parse(value) ? { value } : { message: `expected ${expected}, got ${shown(value)}` },
    {},
    { overridable: false, expected },
  )
}

function isPlain(value: string): boolean {
  // No wildcards: a name is compared exactly, and nobody should think otherwise.
  return (
    value !== '' && value.length <= 512 && [...value].every((one) => one > ' ' && one <= '~' && one !== '*')
  )
}

/** SHA-256: base64url, or as `openssl x509 -fingerprint -sha256` prints it. */
function readThumbprint(value: string): { value: string } | Wrong {
  if (/^[A-Za-z0-9_-]{43}$/.test(value)) return { value }
  const hex = value.replaceAll(':', '')
  if (/^[0-9a-fA-F]{64}$/.test(hex)) return { value: Buffer.from(hex, 'hex').toString('base64url') }
  return {
    message: `expected the SHA-256 of a certificate, got ${shown(value)}`,
    next: 'take it from `openssl x509 -in client.pem -noout -fingerprint -sha256`',
  }
}

// Below its users in reading order, but made when this file is loaded.
const members = fields({
  subject: optional(
    name((value) => readDistinguishedName(value) !== undefined, 'a name such as CN=orders,O=Acme'),
    'Its whole subject, as RFC 4514 writes it: CN=orders,O=Acme,C=DE.',
  ),
  dns: optional(name(isPlain, 'a DNS name'), 'A DNS name among its alternative names.'),
  uri: optional(name(isPlain, 'a URI'), 'A URI among them, such as a SPIFFE ID.'),
  ip: optional(
    name((value) => isIP(value) !== 0, 'an IP address'),
    'An IP address among them.',
  ),
  email: optional(name(isPlain, 'an e-mail address'), 'An e-mail address among them.'),
  thumbprint: optional(
    oneOrMany(text(readThumbprint, {}, { overridable: false }), { what: 'thumbprints' }),
    'The SHA-256 of the certificate itself, which may be self-signed; two while one replaces the other.',
  ),
})
