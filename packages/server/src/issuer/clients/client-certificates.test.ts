import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { silentLog } from '../../log.ts'
import { openClientCertificates } from './client-certificates.ts'
import { certificateAuthority } from '../../../../../test/gateway/certificate.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-ca-'))
after(() => rmSync(folder, { recursive: true }))
const { cert } = certificateAuthority()
const shown = ['Client-Cert', `:${new X509Certificate(cert).raw.toString('base64')}:`]
const header = { name: 'Client-Cert', encoding: 'rfc9440' } as const

test('none where the trust file has none', () => {
  assert.equal(openClientCertificates({}, {}, silentLog), undefined)
})

test('a header counts from the proxies of the trust file, and of the next one', () => {
  const { certificates, replace } = openClientCertificates(
    { clientCertificates: { header } },
    { trustedProxies: ['10.0.0.7'] },
    silentLog,
  )!
  const from = (remoteAddress: string) => certificates.certificateOf(shown, { remoteAddress })?.byProxy
  assert.deepEqual([from('10.0.0.7'), from('10.0.0.8')], [true, undefined])
  replace({ trustedProxies: ['10.0.0.8'] })
  assert.deepEqual([from('10.0.0.7'), from('10.0.0.8')], [undefined, true])
  replace({})
  assert.deepEqual([from('10.0.0.7'), from('10.0.0.8')], [undefined, undefined])
  assert.equal(certificates.thumbprintOf(shown, { remoteAddress: '10.0.0.8' }), undefined)
})

test('a proxy that is trusted for addresses only writes no certificates', () => {
  const { certificates } = openClientCertificates(
    { clientCertificates: {} },
    { trustedProxies: ['10.0.0.7'] },
    silentLog,
  )!
  assert.equal(certificates.certificateOf(shown, { remoteAddress: '10.0.0.7' }), undefined)
})

test('the authorities of a file, which must be there', () => {
  const authoritiesFile = join(folder, 'ca.pem')
  const open = () => openClientCertificates({ clientCertificates: { authoritiesFile } }, {}, silentLog)!
  assert.throws(open, { code: 'tls-files-unusable' })
  writeFileSync(authoritiesFile, cert)
  assert.deepEqual(
    open()
      .authorities?.()
      .map(({ subject }) => subject),
    ['CN=countersign test authority'],
  )
})
