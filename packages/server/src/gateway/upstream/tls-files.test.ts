import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { silentLog } from '../../log.ts'
import { selfSigned } from '../../../../../test/gateway/certificate.ts'
import { TlsFiles } from './tls-files.ts'

test('files are read once, and again when they have changed', (t) => {
  const { paths, write, log, lines } = open(t)
  const files = new TlsFiles(paths, 'here', log)
  const first = files.context(0)
  assert.equal(files.context(5_000), first)
  write(selfSigned())
  assert.equal(files.context(9_999), first, 'not looked at yet')
  const second = files.context(10_000)
  assert.notEqual(second, first)
  assert.equal(files.context(15_000), second)
  assert.deepEqual(lines, ['tls files replaced'])
})

test('half-way through a renewal the ones before go on', (t) => {
  const { paths, write, log, lines } = open(t)
  const files = new TlsFiles(paths, 'here', log)
  const first = files.context(0)
  const next = selfSigned()
  write({ cert: next.cert, key: selfSigned().key })
  assert.equal(files.context(5_000), first)
  rmSync(paths.keyFile)
  assert.equal(files.context(10_000), first)
  write(next)
  assert.notEqual(files.context(15_000), first)
  assert.deepEqual(lines, ['tls files not replaced', 'tls files not replaced', 'tls files replaced'])
})

test('a link that leads nowhere for a moment ends nothing', (t) => {
  const { paths, log } = open(t)
  const files = new TlsFiles(paths, 'here', log)
  const first = files.context(0)
  const folder = dirname(paths.keyFile)
  rmSync(folder, { recursive: true })
  symlinkSync(folder, folder)
  assert.equal(files.context(5_000), first)
})

test('what does not fit together to begin with is a problem that says where', (t) => {
  const { paths, write } = open(t)
  write({ cert: selfSigned().cert, key: selfSigned().key })
  assert.throws(() => new TlsFiles(paths, 'services.billing.upstream.tls', silentLog), {
    code: 'tls-files-unusable',
    message: /^services\.billing\.upstream\.tls: /,
  })
})

function open(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const paths = {
    caFile: undefined,
    certificateFile: join(folder, 'cert.pem'),
    keyFile: join(folder, 'key.pem'),
  }
  let written = 0
  const write = ({ cert, key }: { cert: string; key: string }): void => {
    // File systems tell times only so finely, and the length may be the same.
    const at = 1_700_000_000 + ++written
    for (const [file, content] of [
      [paths.certificateFile, cert],
      [paths.keyFile, key],
    ] as const) {
      writeFileSync(file, content)
      utimesSync(file, at, at)
    }
  }
  write(selfSigned())
  const lines: string[] = []
  const tell = (event: string): void => void lines.push(event)
  return { paths, write, lines, log: { ...silentLog, info: tell, warn: tell } }
}
