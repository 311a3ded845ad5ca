import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'

const tls = 'tls: { certificate: { file: cert.pem }, key: { file: key.pem } }'

test('files are absolute paths, in both parts', () => {
  const settings = `${tls}, clientCertificates: { header: Client-Cert, encoding: pem }`
  const reading = read(settings, settings)
  assert.ok(reading.kind === 'trust', reading.kind === 'mistakes' ? mistakesText('t', reading.mistakes) : '')
  for (const part of [reading.trust.issuer!, reading.trust.gateway!]) {
    assert.deepEqual(part.tls, {
      certificateFile: '/etc/countersign/cert.pem',
      keyFile: '/etc/countersign/key.pem',
    })
    assert.deepEqual(part.clientCertificates, { header: { name: 'Client-Cert', encoding: 'pem' } })
  }
})

test('each part needs its own files alone', () => {
  const readFile = (path: string): string => {
    if (!path.endsWith('gateway.pem')) throw new Error('not here')
    return 'x'
  }
  const gateway = 'tls: { certificate: { file: gateway.pem }, key: { file: gateway.pem } }'
  assert.equal(read(tls, gateway, { readFile, secretsFor: 'gateway' }).kind, 'trust')
  assert.equal(read(tls, gateway, { readFile, secretsFor: 'issuer' }).kind, 'mistakes')
  assert.equal(read(tls, gateway, { readFile, secretsFor: 'none' }).kind, 'trust')
})

describe('mistakes', () => {
  for (const [issuer, proxies, expected] of [
    ['tls: { certificate: { file: cert.pem } }', '[10.0.0.7]', /tls\.key.*missing/],
    ['tls: { certificate: cert.pem, key: { file: k } }', '[10.0.0.7]', /expected \{ file: path \}/],
    ['clientCertificates: {}', '[10.0.0.7]', /nobody can show a certificate here/],
    ['clientCertificates: { header: Client-Cert }', '', /nobody is trusted.*\n.*trustedProxies/],
    [`${tls}, clientCertificates: { encoding: pem }`, '[10.0.0.7]', /no header to read/],
    ['clientCertificates: { header: Authorization }', '[10.0.0.7]', /name of a header/],
    ['clientCertificates: { header: "a b" }', '[10.0.0.7]', /name of a header/],
    ['clientCertificates: { header: X, encoding: xfcc }', '[10.0.0.7]', /rfc9440, der or pem/],
    ['mtlsUrl: https://mtls.acme.example/x', '[10.0.0.7]', /scheme, host and port/],
  ] as const) {
    test(String(expected), () => {
      const reading = read(issuer, '', {}, proxies)
      assert.ok(reading.kind === 'mistakes')
      assert.match(mistakesText('t', reading.mistakes), expected)
    })
  }
})

function read(issuer: string, gateway: string, options: object = {}, proxies = '[10.0.0.7]') {
  const rest = [issuer, gateway].map((members) => (members === '' ? '' : `, ${members}`))
  const text = `issuer: { url: https://issuer.acme.example, listen: "127.0.0.1:0", store: "memory:"${rest[0]} }
gateway: { listen: "127.0.0.1:0"${rest[1]} }
${proxies === '' ? '' : `trustedProxies: ${proxies}`}
`
  return readTrust(text, { file: '/etc/countersign/t', env: {}, readFile: () => 'x', ...options })
}
