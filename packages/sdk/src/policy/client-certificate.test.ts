import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { createCertificateReader } from './client-certificate.ts'
import type { CertificateHeader } from './client-certificate.ts'

const der = Buffer.from('308201…any bytes do: only their hash counts', 'latin1')
const base64 = der.toString('base64')
const expected = createHash('sha256').update(der).digest('base64url')
const pem = `-----BEGIN CERTIFICATE-----\n${base64.slice(0, 20)}\n${base64.slice(20)}\n-----END CERTIFICATE-----\n`
const proxy = { remoteAddress: '10.1.2.3' }

test('the certificate of the connection, asked for once', () => {
  const reader = createCertificateReader()
  let asked = 0
  const peer = { remoteAddress: '10.9.9.9', getPeerX509Certificate: () => (asked++, { raw: der }) }
  assert.equal(reader.thumbprintOf([], peer), expected)
  assert.equal(reader.thumbprintOf([], peer), expected)
  assert.equal(asked, 1)
})

test('the certificate itself, and who has shown it', () => {
  const own = { remoteAddress: '10.9.9.9', getPeerX509Certificate: () => ({ raw: der }) }
  const reader = make({ encoding: 'der' })
  assert.deepEqual(reader.certificateOf([], own), { thumbprint: expected, der, byProxy: false })
  assert.deepEqual(reader.certificateOf(['Client-Cert', base64], proxy), {
    thumbprint: expected,
    der,
    byProxy: true,
  })
  assert.equal(reader.certificateOf(['Client-Cert', base64], { remoteAddress: '10.9.9.9' }), undefined)
})

test('no connection, one without TLS, one without a certificate', () => {
  const reader = createCertificateReader()
  assert.equal(reader.thumbprintOf([], undefined), undefined)
  assert.equal(reader.thumbprintOf([], proxy), undefined)
  assert.equal(reader.thumbprintOf([], { getPeerX509Certificate: () => undefined }), undefined)
})

for (const [encoding, value] of [
  ['rfc9440', `:${base64}:`],
  ['der', base64],
  ['pem', encodeURIComponent(pem)],
  ['pem', pem.replaceAll('\n', ' ')],
] as const) {
  test(`from a proxy: ${encoding} ${value.slice(0, 30)}`, () => {
    const reader = make({ encoding })
    assert.equal(reader.thumbprintOf(['CLIENT-CERT', value], proxy), expected)
  })
}

test('rfc9440 unless another encoding is named', () => {
  assert.equal(make({}).thumbprintOf(['client-cert', `:${base64}:`], proxy), expected)
  assert.equal(make({}).thumbprintOf(['client-cert', base64], proxy), undefined)
})

for (const [encoding, value] of [
  ['rfc9440', ''],
  ['rfc9440', ':'],
  ['rfc9440', '::'],
  ['rfc9440', `:${base64}`],
  ['rfc9440', `:${base64}:, :${base64}:`],
  ['rfc9440', `:${base64.slice(1)}:`],
  ['der', `${base64} `],
  ['der', der.toString('base64url').replaceAll('=', '')],
  ['pem', base64],
  ['pem', encodeURIComponent(pem + pem)],
  ['pem', '%zz'],
  ['pem', encodeURIComponent(pem.replace('CERTIFICATE', 'PUBLIC KEY'))],
] as const) {
  test(`no certificate: ${encoding} ${JSON.stringify(value.slice(0, 40))}`, () => {
    assert.equal(make({ encoding }).thumbprintOf(['client-cert', value], proxy), undefined)
  })
}

test('the header counts from the named proxies alone', () => {
  const reader = make({ proxies: ['10.1.0.0/16', '192.0.2.7', '2001:db8::/32', '127.0.0.1'] })
  const from = (remoteAddress: string | undefined) =>
    reader.thumbprintOf(['Client-Cert', `:${base64}:`], { remoteAddress })
  for (const address of ['10.1.255.1', '192.0.2.7', '2001:db8::1', '127.0.0.1', '::ffff:10.1.0.1']) {
    assert.equal(from(address), expected, address)
  }
  for (const address of [
    '10.2.0.1',
    '192.0.2.8',
    '2001:db9::1',
    '::1',
    '::ffff:10.2.0.1',
    '',
    'x',
    undefined,
  ]) {
    assert.equal(from(address), undefined, String(address))
  }
})

test('from anybody else the connection counts, whatever the header says', () => {
  const own = Buffer.from('another certificate')
  const peer = { remoteAddress: '10.2.0.1', getPeerX509Certificate: () => ({ raw: own }) }
  assert.equal(
    make({}).thumbprintOf(['Client-Cert', `:${base64}:`], peer),
    createHash('sha256').update(own).digest('base64url'),
  )
})

test('the proxy’s own certificate is not its client’s', () => {
  const peer = { ...proxy, getPeerX509Certificate: () => ({ raw: der }) }
  assert.equal(make({}).thumbprintOf([], peer), undefined)
})

test('two headers are none: one may be the client’s', () => {
  const headers = ['Client-Cert', `:${base64}:`, 'client-cert', `:${base64}:`]
  assert.equal(make({}).thumbprintOf(headers, proxy), undefined)
})

for (const [options, code] of [
  [{ header: '' }, 'option-invalid'],
  [{ proxies: [] }, 'option-invalid'],
  [{ proxies: ['proxy.example'] }, 'option-invalid'],
  [{ proxies: ['10.0.0.0/33'] }, 'option-invalid'],
  [{ proxies: ['10.0.0.0/'] }, 'option-invalid'],
  [{ proxies: ['10.0.0.0/8/9'] }, 'option-invalid'],
  [{ proxies: ['10.0.0.0/-1'] }, 'option-invalid'],
  [{ proxies: ['0.0.0.0/0'] }, 'option-invalid'],
  [{ proxies: ['::/0'] }, 'option-invalid'],
  [{ proxies: [7] }, 'option-invalid'],
  [{ encoding: 'xfcc' }, 'option-invalid'],
  [{ encoding: 'toString' }, 'option-invalid'],
  [{ name: 'x' }, 'option-unknown'],
] as const) {
  test(`refused: ${JSON.stringify(options)}`, () => {
    assert.throws(() => make(options as unknown as Partial<CertificateHeader>), { code })
  })
}

function make(options: Partial<CertificateHeader>) {
  return createCertificateReader({ header: 'Client-Cert', proxies: ['10.1.0.0/16'], ...options })
}
