import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startPostgres, whyNoPostgres } from '../../../../test/store/postgres-server.ts'
import type { PostgresServer } from '../../../../test/store/postgres-server.ts'
import { openPostgresPool } from './postgres-pool.ts'
import { migratePostgres } from './postgres-schema.ts'

const skip = whyNoPostgres()
const options = skip === undefined ? {} : { skip }
let server: PostgresServer
before(async () => {
  if (skip === undefined) server = await startPostgres()
})
after(() => server?.stop())

test(
  'makes its schema beside whatever else is in the database, and a second time changes nothing',
  options,
  async () => {
    const pool = openPostgresPool(await server.newDatabase(), 20_000)
    await pool.run({ text: 'CREATE TABLE photos (id integer)' })
    await migratePostgres(pool)
    const tables = async (): Promise<string[]> => {
      const { rows } = await pool.run({
        text: `SELECT schemaname || '.' || tablename AS name FROM pg_tables
             WHERE schemaname IN ('public', 'countersign') ORDER BY 1`,
      })
      return (rows as { name: string }[]).map(({ name }) => name)
    }
    const before = await tables()
    assert.deepEqual(
      before.filter((name) => !name.startsWith('countersign.')),
      ['public.photos'],
    )
    assert.ok(before.includes('countersign.ring') && before.includes('countersign.schema_version'))
    await pool.run({ text: 'UPDATE countersign.ring SET version = 7' })
    await migratePostgres(pool)
    assert.deepEqual(await tables(), before)
    assert.deepEqual((await pool.run({ text: 'SELECT version FROM countersign.ring' })).rows, [
      { version: '7' },
    ])
    await pool.close()
  },
)

test('a migration that fails half-way leaves nothing behind', options, async () => {
  const pool = openPostgresPool(await server.newDatabase(), 20_000)
  const cut = {
    transaction: (work: Parameters<typeof pool.transaction>[0]) =>
      pool.transaction((connection) =>
        work({
          query(statement) {
            if (statement.text.startsWith('UPDATE')) throw new Error('the connection broke')
            return connection.query(statement)
          },
        }),
      ),
  } as Pick<typeof pool, 'transaction'>
  await assert.rejects(migratePostgres(cut), { code: 'store-unavailable' })
  const { rows } = await pool.run({ text: `SELECT to_regnamespace('countersign') AS name` })
  assert.deepEqual(rows, [{ name: null }])
  await pool.close()
})
