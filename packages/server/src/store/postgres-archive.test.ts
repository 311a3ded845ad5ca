import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Secret } from '@countersign/sdk/core'
import { copyContract } from '../../../../test/store/copy-contract.ts'
import { startPostgres, whyNoPostgres } from '../../../../test/store/postgres-server.ts'
import type { PostgresServer } from '../../../../test/store/postgres-server.ts'
import type { StoreSettings } from '../trust/trust.ts'
import { copyArchive } from './copy.ts'
import { postgresArchive } from './postgres-archive.ts'
import { openPostgresPool } from './postgres-pool.ts'
import { sqliteArchive } from './sqlite-archive.ts'
import { openSqliteStore } from './sqlite.ts'

const skip = whyNoPostgres()
const options = skip === undefined ? {} : { skip }
let server: PostgresServer
before(async () => {
  if (skip === undefined) server = await startPostgres()
})
after(() => server?.stop())

const urlOf = (place: StoreSettings): Secret => (place as { url: Secret }).url
const run = async (place: StoreSettings, text: string): Promise<readonly unknown[]> => {
  const pool = openPostgresPool(urlOf(place), 20_000)
  const { rows } = await pool.run({ text })
  await pool.close()
  return rows
}

copyContract(
  'postgres',
  {
    place: async () => ({ kind: 'postgres', url: await server.newDatabase() }),
    archive: (place) => postgresArchive({ url: urlOf(place) }),
    words: (place) => ['postgres', urlOf(place).revealText()],
    async claimVersion(place, version) {
      await run(place, `UPDATE countersign.schema_version SET version = ${version}`)
    },
    async schemaOf(place) {
      const rows = await run(
        place,
        `SELECT table_name AS "table", column_name AS "column" FROM information_schema.columns
         WHERE table_schema = 'countersign' AND table_name <> 'schema_version' ORDER BY table_name, ordinal_position`,
      )
      const schema: Record<string, string[]> = {}
      for (const { table, column } of rows as { table: string; column: string }[])
        (schema[table] ??= []).push(column)
      return schema
    },
  },
  options,
)

test('a text that PostgreSQL cannot keep is named', options, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-postgres-archive-'))
  const path = join(folder, 'a.db')
  const store = openSqliteStore({ path })
  await store.putOnce('orders', 'a\0b', 9e12, 1)
  await store.close()
  const target = postgresArchive({ url: await server.newDatabase() })
  await assert.rejects(copyArchive(sqliteArchive({ path }), target), {
    code: 'store-copy-failed',
    message: /^table replay_mark holds a text with a zero byte/,
  })
  rmSync(folder, { recursive: true })
})

test('its name says where it is, and no password', () => {
  const names = [
    'postgres://alice:hush@db.acme.example:5433/countersign?password=hush&sslmode=require',
    'postgres://db.acme.example/countersign',
    'postgres://hush hush@db:port',
  ].map((url) => postgresArchive({ url: Secret.fromText(url) }).name)
  assert.deepEqual(names, [
    'postgres://alice@db.acme.example:5433/countersign',
    'postgres://db.acme.example/countersign',
    'PostgreSQL',
  ])
})
