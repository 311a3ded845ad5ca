import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openPrivate } from './write-private.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-private-'))
after(() => rmSync(folder, { recursive: true }))

test('a file of its owner’s alone, that replaces nothing', () => {
  const path = join(folder, 'a')
  const file = openPrivate(path)
  file.keep('text')
  file.drop()
  assert.equal(readFileSync(path, 'utf8'), 'text')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.throws(() => openPrivate(path), { code: 'file-exists' })
  assert.throws(() => openPrivate(join(folder, 'no/such')), { code: 'folder-unwritable' })
})

test('a file in which nothing was kept is gone', () => {
  const path = join(folder, 'b')
  openPrivate(path).drop()
  assert.ok(!existsSync(path))
})
