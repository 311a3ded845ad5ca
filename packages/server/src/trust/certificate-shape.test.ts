import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'
import type { ClientCertificate } from './trust.ts'

const hex = 'AB'.repeat(32)
const thumbprint = Buffer.alloc(32, 0xab).toString('base64url')
const authorities = 'clientCertificates: { authorities: { file: ca.pem } }'

test('by one name in it', () => {
  for (const [by, name] of [
    ['subject', 'CN=orders,O=Acme'],
    ['dns', 'orders.acme.example'],
    ['uri', 'spiffe://acme.example/orders'],
    ['ip', '192.0.2.7'],
    ['email', 'orders@acme.example'],
  ]) {
    assert.deepEqual(certificate(`${by}: "${name}"`), { kind: 'named', by, name })
  }
})

test('by its thumbprint, however that is written', () => {
  const expected = { kind: 'registered', thumbprints: [thumbprint] }
  assert.deepEqual(certificate(`thumbprint: ${thumbprint}`), expected)
  assert.deepEqual(certificate(`thumbprint: [${hex}, "${hex.match(/../g)!.join(':')}"]`), expected)
  assert.deepEqual(certificate(`thumbprint: ${hex}`, 'clientCertificates: {}'), expected)
})

describe('mistakes', () => {
  for (const [members, issuer, expected] of [
    ['', authorities, /exactly one of/],
    ['dns: a.example, uri: spiffe://a', authorities, /exactly one of/],
    [`dns: a.example, thumbprint: ${hex}`, authorities, /exactly one of/],
    ['dns: "*.acme.example"', authorities, /dns.*expected a DNS name/],
    ['subject: orders', authorities, /subject.*CN=orders/],
    ['subject: CN=a+O=b', authorities, /subject/],
    ['ip: 192.0.2.0/24', authorities, /ip.*an IP address/],
    ['thumbprint: abc', authorities, /SHA-256.*\n.*openssl x509/],
    ['dns: a.example', '', /asks nobody for a certificate.*\n.*clientCertificates/],
    ['dns: a.example', 'clientCertificates: {}', /anybody could write this name/],
    ['host: a.example', authorities, /unknown key/],
  ] as const) {
    test(String(expected), () => {
      const reading = read(members, issuer)
      assert.ok(reading.kind === 'mistakes')
      assert.match(mistakesText('t', reading.mistakes), expected)
    })
  }
})

function certificate(members: string, issuer = authorities): ClientCertificate | undefined {
  const reading = read(members, issuer)
  assert.ok(reading.kind === 'trust', reading.kind === 'mistakes' ? mistakesText('t', reading.mistakes) : '')
  return reading.trust.clients.get('orders')?.certificate
}

function read(members: string, issuer: string) {
  const text = `issuer:
  url: https://issuer.acme.example
  listen: 127.0.0.1:0
  store: 'memory:'
  tls: { certificate: { file: cert.pem }, key: { file: key.pem } }
  ${issuer}
clients:
  orders: { authenticate: { certificate: { ${members} } } }
`
  return readTrust(text, { file: 't', env: {}, readFile: () => 'x' })
}
