import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { keyRecord } from '../../../../test/store/contract.ts'
import { copyContract } from '../../../../test/store/copy-contract.ts'
import type { StoreSettings } from '../trust/trust.ts'
import { copyArchive } from './copy.ts'
import { sqliteArchive } from './sqlite-archive.ts'
import { openSqliteStore } from './sqlite.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-sqlite-archive-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newPath = (): string => join(folder, `${files++}.db`)
const pathOf = (place: StoreSettings): string => (place as { path: string }).path

copyContract('sqlite', {
  place: async () => ({ kind: 'sqlite', path: newPath() }),
  archive: (place) => sqliteArchive({ path: pathOf(place) }),
  words: (place) => ['sqlite', pathOf(place)],
  async claimVersion(place, version) {
    const database = new DatabaseSync(pathOf(place))
    database.exec(`PRAGMA user_version = ${version}`)
    database.close()
  },
  async schemaOf(place) {
    const database = new DatabaseSync(pathOf(place))
    const rows = database
      .prepare(
        `SELECT t.name AS "table", c.name AS "column" FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
         WHERE t.type = 'table' AND c.name <> 'only' ORDER BY t.name, c.cid`,
      )
      .all() as { table: string; column: string }[]
    database.close()
    const schema: Record<string, string[]> = {}
    for (const { table, column } of rows) (schema[table] ??= []).push(column)
    return schema
  },
})

test('the source is only read, the target readable by its owner only', async () => {
  const [from, to] = [newPath(), newPath()]
  const store = openSqliteStore({ path: from })
  await store.replaceRing(0, [keyRecord('a')])
  await store.close()
  const before = readFileSync(from)
  await copyArchive(sqliteArchive({ path: from }), sqliteArchive({ path: to }))
  assert.deepEqual(readFileSync(from), before)
  assert.equal(statSync(to).mode & 0o777, 0o600)
})

test('what a killed issuer left in its log is copied too', async () => {
  const [from, to] = [newPath(), newPath()]
  const store = openSqliteStore({ path: from })
  await store.replaceRing(0, [keyRecord('a')])
  // As after a kill: the file and its log, with nobody who would bring them together.
  const left = newPath()
  for (const end of ['', '-wal']) writeFileSync(left + end, readFileSync(from + end))
  await store.close()
  assert.equal((await copyArchive(sqliteArchive({ path: left }), sqliteArchive({ path: to }))).keys, 1)
})

test('another program’s file is neither read nor filled', async () => {
  const [other, ours] = [newPath(), newPath()]
  const database = new DatabaseSync(other)
  database.exec('CREATE TABLE photos (id INTEGER)')
  database.close()
  await openSqliteStore({ path: ours }).close()
  const before = readFileSync(other)
  for (const [from, to] of [
    [other, newPath()],
    [ours, other],
  ] as const) {
    await assert.rejects(copyArchive(sqliteArchive({ path: from }), sqliteArchive({ path: to })), {
      code: 'store-foreign',
    })
  }
  assert.deepEqual(readFileSync(other), before)
})
