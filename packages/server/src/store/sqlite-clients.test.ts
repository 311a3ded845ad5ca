import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { prepareClients } from './sqlite-clients.ts'
import { migrate } from './sqlite-schema.ts'

// What it has in common with the other stores is in the contract that sqlite.test.ts runs.

test('nothing that is asked walks through all clients', () => {
  const database = new DatabaseSync(':memory:')
  migrate(database, 'x.db')
  const asked: string[] = []
  prepareClients({ prepare: (sql: string) => (asked.push(sql), database.prepare(sql)) } as DatabaseSync)
  const searches = asked.filter((sql) => /\bclient\b/.test(sql) && !sql.startsWith('INSERT'))
  assert.equal(searches.length, 5)
  for (const sql of searches) {
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as { detail: string }[]
    for (const { detail } of plan) assert.match(detail, /^SEARCH .* USING /, sql)
  }
})
