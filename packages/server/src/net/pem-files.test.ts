import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { PemFiles, readCertificates } from './pem-files.ts'
import { silentLog } from '../log.ts'
import { certificateAuthority, certify } from '../../../../test/gateway/certificate.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-pem-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'file')

test('what the files hold, again when they change, and the last good one while they are bad', () => {
  const logged: string[] = []
  const log = {
    ...silentLog,
    info: (event: string) => void logged.push(event),
    error: (event: string, fields?: object) => void logged.push(`${event} ${JSON.stringify(fields)}`),
  }
  writeFileSync(path, 'one')
  const files = new PemFiles({ paths: [path], load, where: 'issuer.tls', log })
  assert.equal(files.current(0), 'one')
  writeFileSync(path, 'second')
  assert.equal(files.current(4_999), 'one', 'not looked at on every request')
  assert.equal(files.current(5_000), 'second')
  assert.deepEqual(logged, ['tls.replaced'])
  writeFileSync(path, 'bad one')
  assert.equal(files.current(10_000), 'second')
  assert.match(logged[1] ?? '', /^tls\.not-replaced .*issuer\.tls.*no good.*go on/)
  rmSync(path)
  assert.equal(files.current(15_000), 'second')
  writeFileSync(path, 'the third')
  assert.equal(files.current(20_000), 'the third')
})

test('a link that leads nowhere for a moment ends nothing', () => {
  const inner = join(folder, 'inner')
  mkdirSync(inner)
  writeFileSync(join(inner, 'file'), 'x')
  writeFileSync(path, 'one')
  const files = new PemFiles({ paths: [join(inner, 'file')], load, where: 'issuer.tls', log: silentLog })
  rmSync(inner, { recursive: true })
  symlinkSync(inner, inner)
  writeFileSync(path, 'bad one')
  assert.equal(files.current(5_000), 'one')
})

test('files that are no good at the start', () => {
  writeFileSync(path, 'bad one')
  const options = { paths: [path], load, where: 'issuer.tls', log: silentLog }
  assert.throws(() => new PemFiles(options), { code: 'tls-files-unusable', message: 'issuer.tls: no good' })
})

test('every certificate of a file', () => {
  const authority = certificateAuthority()
  const server = certify({ subject: [['CN', 'one']] })
  writeFileSync(path, `# ours\n${authority.cert}\n# theirs\n${server.cert}`)
  assert.deepEqual(
    readCertificates(path).map(({ subject }) => subject),
    ['CN=countersign test authority', 'CN=one'],
  )
  writeFileSync(path, '')
  assert.throws(() => readCertificates(path))
  writeFileSync(path, authority.cert.replace('MII', 'ZZZ'))
  assert.throws(() => readCertificates(path))
})

function load(): string {
  const text = readFileSync(path, 'utf8')
  if (text.startsWith('bad')) throw new Error('no good')
  return text
}
