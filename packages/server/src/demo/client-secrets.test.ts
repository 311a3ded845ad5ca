import { test } from 'node:test'
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isProblem, Secret } from '@countersign/sdk/core'
import { randomSecret, secretPath, writeSecrets } from './client-secrets.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-demo-'))
test.after(() => rmSync(folder, { recursive: true }))

test('secrets are written for this user alone, and taken away again', () => {
  const demo = join(folder, 'fresh', '.countersign', 'demo')
  const written = writeSecrets(demo, { orders: Secret.fromText('of orders') })
  const path = secretPath(demo, 'orders')
  assert.equal(readFileSync(path, 'utf8'), 'of orders')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.equal(statSync(demo).mode & 0o777, 0o700)
  written.remove()
  assert.ok(!existsSync(path))
})

test('what stood there before is replaced: a wider mode is not kept, a link is not followed', () => {
  const elsewhere = join(folder, 'elsewhere')
  writeFileSync(elsewhere, 'untouched')
  symlinkSync(elsewhere, secretPath(folder, 'orders'))
  writeFileSync(secretPath(folder, 'backoffice'), 'old', { mode: 0o644 })
  const written = writeSecrets(folder, { orders: Secret.fromText('a'), backoffice: Secret.fromText('b') })
  assert.equal(readFileSync(elsewhere, 'utf8'), 'untouched')
  assert.equal(statSync(secretPath(folder, 'backoffice')).mode & 0o777, 0o600)
  written.remove()
})

test('a folder that cannot be made is named, with what to do', () => {
  const file = join(folder, 'file')
  writeFileSync(file, '')
  assert.throws(
    () => writeSecrets(join(file, 'demo'), { orders: randomSecret() }),
    (error) =>
      isProblem(error) &&
      error.code === 'folder-unwritable' &&
      error.message.includes(join(file, 'demo')) &&
      error.next?.includes('COUNTERSIGN_DEMO_FOLDER') === true,
  )
})

test('a random secret is long and never the same', () => {
  const texts = new Set(Array.from({ length: 10 }, () => randomSecret().revealText()))
  assert.equal(texts.size, 10)
  for (const text of texts) assert.match(text, /^[A-Za-z0-9_-]{43}$/)
})
