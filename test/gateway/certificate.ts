import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

export type Certified = { readonly cert: string; readonly key: string }

/** A self-signed certificate for 127.0.0.1 and localhost, good for an hour, with a key made for it: both in PEM. */
export function selfSigned(): Certified {
  return certify({
    subject: [['CN', 'countersign test']],
    names: { dns: ['localhost'], ip: ['127.0.0.1'] },
    ca: true,
  })
}

/** What a certificate says; good from a minute ago for an hour unless said otherwise. */
export type CertificateContent = {
  /** In the order of the certificate, the most significant first. */
  readonly subject: readonly (readonly [type: keyof typeof attributeTypes, value: string])[]
  readonly names?: {
    readonly dns?: readonly string[]
    readonly uri?: readonly string[]
    readonly ip?: readonly string[]
    readonly email?: readonly string[]
  }
  /** Whether it may sign others. */
  readonly ca?: boolean
  /** What it is for (RFC 5280 §4.2.1.12). */
  readonly purpose?: 'clientAuth' | 'serverAuth'
  readonly fromMs?: number
  readonly untilMs?: number
}

/** Makes a certificate with a key of its own, signed by `authority` or by itself: both in PEM. */
export function certify(content: CertificateContent, authority?: Authority): Certified {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const {
    subject,
    names,
    ca = false,
    purpose,
    fromMs = Date.now() - 60_000,
    untilMs = Date.now() + 3_600_000,
  } = content
  const extensions = [
    ...(names === undefined ? [] : [alternativeNames(names)]),
    ...(ca ? [isAuthority] : []),
    ...(purpose === undefined ? [] : [extension(37, sequence(tagged(0x06, purposes[purpose])))]),
  ]
  const body = sequence(
    tagged(0xa0, integer(2)),
    tagged(0x02, Buffer.concat([Buffer.of(1), randomBytes(7)])),
    ecdsaWithSha256,
    nameOf(authority?.subject ?? subject),
    sequence(utcTime(fromMs), utcTime(untilMs)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length === 0 ? [] : [tagged(0xa3, sequence(...extensions))]),
  )
  const signature = sign('sha256', body, authority?.key ?? privateKey)
  const certificate = sequence(body, ecdsaWithSha256, tagged(0x03, Buffer.concat([Buffer.of(0), signature])))
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? []
  return {
    cert: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** Who signs certificates. */
export type Authority = {
  readonly subject: CertificateContent['subject']
  readonly cert: string
  readonly key: string
}

/** An authority with a certificate that it has signed itself. */
export function certificateAuthority(name = 'countersign test authority'): Authority {
  const subject = [['CN', name]] as const
  return { subject, ...certify({ subject, ca: true }) }
}

/** X.690 §8: a tag, a length, a content. */
function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), content])
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, ...parts)
}

function integer(value: number): Buffer {
  return tagged(0x02, Buffer.of(value))
}

function utcTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]/g, '').slice(2, 14)
  return tagged(0x17, Buffer.from(`${digits}Z`))
}

function nameOf(subject: CertificateContent['subject']): Buffer {
  return sequence(
    ...subject.map(([type, value]) => {
      const text = tagged(type === 'DC' || type === 'emailAddress' ? 0x16 : 0x0c, Buffer.from(value))
      return tagged(0x31, sequence(tagged(0x06, attributeTypes[type]), text))
    }),
  )
}

function alternativeNames({
  dns = [],
  uri = [],
  ip = [],
  email = [],
}: NonNullable<CertificateContent['names']>): Buffer {
  return extension(
    17,
    sequence(
      ...email.map((name) => tagged(0x81, Buffer.from(name))),
      ...dns.map((name) => tagged(0x82, Buffer.from(name))),
      ...uri.map((name) => tagged(0x86, Buffer.from(name))),
      ...ip.map((address) => tagged(0x87, Buffer.from(address.split('.').map(Number)))),
    ),
  )
}

function extension(id: number, content: Buffer): Buffer {
  return sequence(tagged(0x06, Buffer.of(0x55, 0x1d, id)), tagged(0x04, content))
}

const ecdsaWithSha256 = sequence(tagged(0x06, Buffer.from('2a8648ce3d040302', 'hex')))
const isAuthority = extension(19, sequence(tagged(0x01, Buffer.of(0xff))))

const purposes = {
  serverAuth: Buffer.from('2b06010505070301', 'hex'),
  clientAuth: Buffer.from('2b06010505070302', 'hex'),
}

const attributeTypes = {
  CN: Buffer.of(0x55, 0x04, 0x03),
  C: Buffer.of(0x55, 0x04, 0x06),
  O: Buffer.of(0x55, 0x04, 0x0a),
  OU: Buffer.of(0x55, 0x04, 0x0b),
  DC: Buffer.from('0992268993f22c640119', 'hex'),
  emailAddress: Buffer.from('2a864886f70d010901', 'hex'),
}
