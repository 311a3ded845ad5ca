import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Problem } from '@countersign/sdk/core'
import { openSqliteFile, sqliteUnavailable, whileBusy } from './sqlite-file.ts'

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

test('work is done again while another one holds the lock, and the event loop is free meanwhile', async () => {
  const path = join(folder, 'busy.db')
  const [one, two] = [openSqliteFile(path, { busyTimeoutMs: 0 }), openSqliteFile(path, { busyTimeoutMs: 0 })]
  one.exec('CREATE TABLE a (b); BEGIN IMMEDIATE')
  let tries = 0
  const write = (patienceMs: number): Promise<unknown> =>
    whileBusy(path, patienceMs, () => {
      tries += 1
      return two.prepare('INSERT INTO a VALUES (1)').run().changes
    })
  await assert.rejects(write(200), { code: 'store-unavailable', message: /locked/ })
  assert.ok(tries > 1, `${tries}`)
  setTimeout(() => one.exec('COMMIT'), 60)
  assert.equal(await write(5_000), 1)
  // Anything else is said at once.
  tries = 0
  const broken = whileBusy(path, 5_000, () => (tries++, two.exec('INSERT INTO nothing VALUES (1)')))
  await assert.rejects(broken, { code: 'store-unavailable' })
  assert.equal(tries, 1)
  one.close()
  two.close()
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
