import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { countersign, playSession } from '../../../../../test/cli/session.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-init-'))
after(() => rmSync(folder, { recursive: true }))

test('init', async () => {
  await playSession(join(import.meta.dirname, '../golden/init.txt'), { cwd: folder })
})

test('secrets are fresh, long, and for this user alone', () => {
  const text = readFileSync(join(folder, 'countersign.env'), 'utf8')
  const secrets = [...text.matchAll(/=(.+)$/gm)].map(([, secret]) => secret)
  assert.equal(new Set(secrets).size, 2)
  for (const secret of secrets) assert.match(secret ?? '', /^[A-Za-z0-9_-]{43}$/)
  assert.equal(statSync(join(folder, 'countersign.env')).mode & 0o777, 0o600)
  assert.notEqual(text, readFileSync(join(folder, 'other.env'), 'utf8'))
})

test('editors find the schema', async () => {
  const root = resolve(import.meta.dirname, '../../../../..')
  const schemaOf = (path: string): string => /\$schema=(\S+)/.exec(readFileSync(path, 'utf8'))?.[1] ?? ''
  assert.equal(
    schemaOf(join(folder, 'countersign.yaml')),
    './node_modules/countersign/schema/trust-file.schema.json',
  )
  assert.ok(existsSync(join(root, schemaOf(join(folder, 'countersign.yaml')))))
})

test('secrets of an earlier run are not replaced either', async () => {
  const inner = mkdtempSync(join(folder, 'x-'))
  await countersign(['init'], { cwd: inner })
  rmSync(join(inner, 'countersign.yaml'))
  const again = await countersign(['init'], { cwd: inner })
  assert.equal(again.code, 1)
  assert.match(again.stderr, /^countersign: countersign\.env is there already\n {2}next: /)
})
