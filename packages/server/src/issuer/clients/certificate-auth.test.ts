import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { describe, test } from 'node:test'
import { createCertificateReader } from '@countersign/sdk/policy'
import type { Client, ClientCertificate } from '../../trust/trust.ts'
import type { Showing } from '../token/binding.ts'
import { createCertificateAuth } from './certificate-auth.ts'
import { isRefusal } from '../http/refusal.ts'
import { certificateAuthority, certify } from '../../../../../test/gateway/certificate.ts'
import type { CertificateContent, Certified } from '../../../../../test/gateway/certificate.ts'

const authority = certificateAuthority()
const stranger = certificateAuthority()
const content: CertificateContent = {
  subject: [
    ['C', 'DE'],
    ['CN', 'orders'],
  ],
  names: {
    dns: ['orders.acme.example'],
    uri: ['spiffe://acme.example/orders'],
    ip: ['192.0.2.7'],
    email: ['orders@acme.example'],
  },
  purpose: 'clientAuth',
}
const signed = certify(content, authority)
const ownSigned = certify(content)

const named: readonly (readonly [ClientCertificate & { kind: 'named' }, other: string])[] = [
  [{ kind: 'named', by: 'subject', name: 'CN=orders,C=DE' }, 'CN=orders'],
  [{ kind: 'named', by: 'dns', name: 'Orders.acme.example' }, 'acme.example'],
  [{ kind: 'named', by: 'uri', name: 'spiffe://acme.example/orders' }, 'spiffe://acme.example/Orders'],
  [{ kind: 'named', by: 'ip', name: '192.0.2.7' }, '192.0.2.70'],
  [{ kind: 'named', by: 'email', name: 'orders@acme.example' }, 'Orders@acme.example'],
]

for (const [certificate, other] of named) {
  describe(`known by ${certificate.by}`, () => {
    test('with this name, signed by an authority', () => {
      assert.equal(ask(certificate, connection(signed, true)), 'orders')
      assert.equal(ask(certificate, byProxy(signed)), 'orders')
    })
    test('not with another name', () => {
      for (const showing of [connection(signed, true), byProxy(signed)]) {
        assert.equal(ask({ ...certificate, name: other }, showing), 'claim-refused')
      }
    })
    test('not signed by itself, or by a stranger of the authority’s name', () => {
      for (const own of [
        ownSigned,
        certify(content, stranger),
        certify(content, { ...stranger, key: ownSigned.key }),
      ]) {
        assert.equal(ask(certificate, connection(own, false)), 'signature-invalid')
        assert.equal(ask(certificate, byProxy(own)), 'signature-invalid')
      }
    })
  })
}

describe('a certificate that a proxy wrote down', () => {
  const [[certificate]] = named as [(typeof named)[0]]
  test('what the connection knows is about the proxy', () => {
    const peer = { ...proxy, authorized: true }
    assert.equal(ask(certificate, { ...byProxy(ownSigned), peer }), 'signature-invalid')
  })
  test('one for servers only', () => {
    assert.equal(
      ask(certificate, byProxy(certify({ ...content, purpose: 'serverAuth' }, authority))),
      'signature-invalid',
    )
  })
  test('one that an authority has signed which may sign nothing', () => {
    const middle = {
      subject: [['CN', 'middle']] as const,
      ...certify({ subject: [['CN', 'middle']] }, authority),
    }
    assert.equal(ask(certificate, byProxy(certify(content, middle)), [middle]), 'signature-invalid')
    assert.equal(ask(certificate, byProxy(certify(content, middle))), 'signature-invalid')
  })
  test('from anybody but a proxy it is nothing', () => {
    assert.equal(
      ask(certificate, { ...byProxy(signed), peer: { remoteAddress: '192.0.2.1' } }),
      'nothing shown',
    )
  })
  test('no certificate at all', () => {
    const junk = {
      ...byProxy(signed),
      rawHeaders: ['Client-Cert', `:${Buffer.from('junk').toString('base64')}:`],
    }
    assert.equal(ask(certificate, junk), 'credentials-malformed')
  })
})

describe('registered by its thumbprint', () => {
  const thumbprints = [thumbprintOf(signed), thumbprintOf(ownSigned)]
  test('whoever signed it', () => {
    for (const own of [signed, ownSigned]) {
      assert.equal(ask({ kind: 'registered', thumbprints }, connection(own, false)), 'orders')
      assert.equal(ask({ kind: 'registered', thumbprints }, byProxy(own)), 'orders')
    }
  })
  test('not another of the same name and key', () => {
    assert.equal(
      ask({ kind: 'registered', thumbprints }, connection(certify(content), false)),
      'confirmation-mismatch',
    )
  })
})

test('not before its time, and not after it', () => {
  const thumbprints = [thumbprintOf(ownSigned)]
  for (const nowMs of [Date.now() - 120_000, Date.now() + 3_700_000]) {
    assert.equal(
      ask({ kind: 'registered', thumbprints }, { ...connection(ownSigned, false), nowMs }),
      'token-expired',
    )
  }
  const old = {
    subject: authority.subject,
    ...certify({ subject: authority.subject, ca: true, untilMs: Date.now() - 1 }),
  }
  assert.equal(ask(named[0]![0], byProxy(certify(content, old)), [old]), 'signature-invalid')
})

test('no certificate, no client, and a client that shows something else', () => {
  assert.equal(ask(named[0]![0], { nowMs: Date.now() }), 'nothing shown')
  assert.equal(ask(named[0]![0], connection(signed, true), [authority], 'shop'), 'issuer-mismatch')
  assert.equal(ask(undefined, connection(signed, true)), 'issuer-mismatch')
  assert.equal(ask(named[0]![0], connection(signed, true), undefined), 'orders')
})

const proxy = { remoteAddress: '10.0.0.7' }

function connection({ cert }: Certified, authorized: boolean): Showing {
  const certificate = new X509Certificate(cert)
  const peer = { remoteAddress: '192.0.2.1', getPeerX509Certificate: () => certificate, authorized }
  return { peer, rawHeaders: [], nowMs: Date.now() }
}

function byProxy({ cert }: Certified): Showing {
  const value = `:${new X509Certificate(cert).raw.toString('base64')}:`
  return { peer: proxy, rawHeaders: ['Client-Cert', value], nowMs: Date.now() }
}

/** The client that it is, or why it is none. */
function ask(
  certificate: ClientCertificate | undefined,
  showing: Showing,
  authorities: readonly { readonly cert: string }[] = [authority],
  clientId = 'orders',
): string {
  const client: Client = {
    id: 'orders',
    secrets: [],
    may: [],
    ...(certificate === undefined ? {} : { certificate }),
  }
  const outcome = createCertificateAuth({
    clients: [client],
    certificates: createCertificateReader({ header: 'Client-Cert', proxies: ['10.0.0.0/8'] }),
    authorities: () => authorities.map(({ cert }) => new X509Certificate(cert)),
  }).authenticate(clientId, showing)
  if (!isRefusal(outcome)) return outcome.id
  assert.equal(outcome.error, 'invalid_client')
  return outcome.denial?.reason ?? 'nothing shown'
}

function thumbprintOf({ cert }: Certified): string {
  return Buffer.from(new X509Certificate(cert).fingerprint256.replaceAll(':', ''), 'hex').toString(
    'base64url',
  )
}
