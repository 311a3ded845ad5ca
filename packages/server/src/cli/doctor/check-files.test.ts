import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { certify } from '../../../../../test/gateway/certificate.ts'
import { standTrust } from '../../../../../test/gateway/stand.ts'
import type { Trust } from '../../trust/trust.ts'
import { checkFiles } from './check-files.ts'

test('who may read a secret, and who may change anything', { skip: process.platform === 'win32' }, (t) => {
  const { folder, trust, write } = openFolder(t)
  const secret = write('client.secret', 'hush', 0o600)
  const open = write('open.secret', 'hush', 0o644)
  const shared = write('shared.secret', 'hush', 0o660)
  const key = write('key.pem', '-----BEGIN PRIVATE KEY-----\n', 0o644)
  const authority = write('ca.pem', '-----BEGIN CERTIFICATE-----\n', 0o644)
  write('countersign.env', 'A=1', 0o644)
  const files = [secret, open, shared, key, authority]
  const found = checkFiles(trust, files, { cwd: folder, nowMs: 0 })
  assert.deepEqual(
    found.map(({ verdict, text, next }) => [verdict, text, next]),
    [
      ['pass', 'countersign.yaml is its owner’s to change', undefined],
      ['pass', 'client.secret is not everybody’s to read', undefined],
      ['warn', 'open.secret can be read by everybody on this machine', 'chmod 600 open.secret'],
      ['fail', 'shared.secret can be changed by others', 'chmod 600 shared.secret'],
      ['warn', 'key.pem can be read by everybody on this machine', 'chmod 600 key.pem'],
      ['warn', 'countersign.env can be read by everybody on this machine', 'chmod 600 countersign.env'],
    ],
  )
})

test('a certificate that ends', (t) => {
  const { folder, trust, write } = openFolder(t)
  const untilMs = Date.now() + 100 * 86_400_000
  const made = certify({ subject: [['CN', 'localhost']], untilMs })
  const certificateFile = write('tls.crt', made.cert, 0o644)
  const tls = { certificateFile, keyFile: write('tls.key', made.key, 0o600) }
  const withTls = { ...trust, gateway: { ...trust.gateway!, tls } }
  const at = (nowMs: number): string => {
    const last = checkFiles(withTls, [], { cwd: folder, nowMs }).at(-1)!
    return `${last.verdict} ${last.text}`
  }
  assert.equal(at(untilMs - 50.5 * 86_400_000), 'pass tls.crt ends in 50 days')
  assert.equal(at(untilMs - 5.5 * 86_400_000), 'warn tls.crt ends in 5 days')
  assert.equal(at(untilMs + 1), 'fail tls.crt has expired')
  writeFileSync(certificateFile, 'no certificate')
  assert.equal(at(Date.now()), 'fail tls.crt is no certificate in PEM')
})

function openFolder(t: TestContext): {
  readonly folder: string
  readonly trust: Trust
  write(name: string, text: string, mode: number): string
} {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-doctor-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const write = (name: string, text: string, mode: number): string => {
    const path = join(folder, name)
    writeFileSync(path, text)
    chmodSync(path, mode)
    return path
  }
  return {
    folder,
    trust: { ...standTrust('http://127.0.0.1:1'), file: write('countersign.yaml', '', 0o644) },
    write,
  }
}
