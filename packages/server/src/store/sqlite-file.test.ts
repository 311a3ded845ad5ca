import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Problem } from '@countersign/sdk/core'
import { openSqliteFile, sqliteUnavailable } from './sqlite-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-sqlite-file-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test('a file that is not there is made for its owner alone', () => {
  const path = join(folder, 'new.db')
  openSqliteFile(path, { busyTimeoutMs: 0 }).close()
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('for reading only, nothing is made and nothing written', () => {
  const path = join(folder, 'nowhere.db')
  assert.throws(() => openSqliteFile(path, { busyTimeoutMs: 0, readOnly: true }))
  assert.equal(existsSync(path), false)
  openSqliteFile(path, { busyTimeoutMs: 0 }).close()
  const database = openSqliteFile(path, { busyTimeoutMs: 0, readOnly: true })
  assert.throws(() => database.exec('CREATE TABLE a (b)'), /readonly/)
  database.close()
})

test('a failure becomes a passing Problem, once', () => {
  const problem = sqliteUnavailable('a.db', new Error('database is locked'))
  assert.equal(problem.code, 'store-unavailable')
  assert.equal(problem.message, 'a.db: database is locked')
  assert.equal(problem.retryAfterSeconds, 5)
  assert.equal(sqliteUnavailable('b.db', problem), problem)
  const other = new Problem('store-newer', 'x')
  assert.equal(sqliteUnavailable('b.db', other), other)
})
