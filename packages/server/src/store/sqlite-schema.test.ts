import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { isProblem } from '@countersign/sdk/core'
import { migrate, schemaVersion } from './sqlite-schema.ts'

const directory = mkdtempSync(join(tmpdir(), 'countersign-schema-'))
after(() => rmSync(directory, { recursive: true, force: true }))
let files = 0

test('a new file gets a write-ahead log that is flushed at every commit', () => {
  const database = open()
  migrate(database, 'x.db')
  assert.equal(pragma(database, 'journal_mode'), 'wal')
  assert.equal(pragma(database, 'synchronous'), fullSync)
  assert.ok(Number(pragma(database, 'user_version')) > 0)
  assert.equal(pragma(database, 'application_id'), 0x4353474e)
})

test('migrating again changes nothing', () => {
  const database = open()
  migrate(database, 'x.db')
  const before = schema(database)
  database.exec('UPDATE ring SET version = 7')
  migrate(database, 'x.db')
  assert.deepEqual(schema(database), before)
  assert.deepEqual({ ...database.prepare('SELECT * FROM ring').get() }, { only: 1, version: 7 })
})

test('a file that another process makes ours meanwhile is not taken for a foreign one', () => {
  const path = join(directory, 'together.db')
  const [ours, others] = [new DatabaseSync(path), new DatabaseSync(path)]
  let looks = 0
  // The real database, but for what happens after the first look at it.
  const watched = new Proxy(ours, {
    get: (database, name) =>
      name !== 'prepare'
        ? Reflect.get(database, name)
        : (sql: string) => {
            if (looks++ === 1) migrate(others, path)
            return database.prepare(sql)
          },
  })
  assert.ok(schemaVersion(watched, path) > 0)
  assert.ok(looks >= 2)
  ours.close()
  others.close()
})

test("another program's database is refused and left as it was", () => {
  const withTables = open()
  withTables.exec('CREATE TABLE photos (id INTEGER)')
  const withMark = open()
  withMark.exec('PRAGMA application_id = 99')
  for (const database of [withTables, withMark]) {
    const before = schema(database)
    assert.throws(() => migrate(database, 'x.db'), { code: 'store-foreign' })
    assert.deepEqual(schema(database), before)
    assert.equal(pragma(database, 'journal_mode'), 'delete')
    assert.equal(pragma(database, 'user_version'), 0)
  }
})

test('a file of a later version is refused with both versions named', () => {
  const database = open()
  migrate(database, 'x.db')
  database.exec('PRAGMA user_version = 999')
  assert.throws(
    () => migrate(database, 'x.db'),
    (error) => isProblem(error) && error.code === 'store-newer' && /999.*up to \d/.test(error.message),
  )
  assert.equal(pragma(database, 'user_version'), 999)
})

test('a schema that fails half-way leaves nothing behind', () => {
  const database = open()
  const realExec = database.exec.bind(database)
  // The disk runs full at the last statement of the migration.
  database.exec = (sql) => {
    if (sql.includes('user_version =')) throw new Error('database or disk is full')
    realExec(sql)
  }
  assert.throws(() => migrate(database, 'x.db'), /disk is full/)
  assert.equal(database.isTransaction, false)
  assert.deepEqual(schema(database), [])
})

const fullSync = 2

function open(): DatabaseSync {
  return new DatabaseSync(join(directory, `${files++}.db`))
}

function pragma(database: DatabaseSync, name: string): unknown {
  return database.prepare(`PRAGMA ${name}`).get()?.[name]
}

function schema(database: DatabaseSync): unknown[] {
  return database
    .prepare('SELECT name, sql FROM sqlite_schema ORDER BY name')
    .all()
    .map((row) => ({ ...row }))
}
