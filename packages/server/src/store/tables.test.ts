import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tables } from './tables.ts'

// That these are all tables there are, with all their columns, is asked of each driver (test/store/copy-contract.ts).

test('each table is there once, and is ordered by columns it has', () => {
  assert.equal(new Set(tables.map(({ name }) => name)).size, tables.length)
  for (const { columns, order, name } of tables) {
    assert.ok(order.length > 0, name)
    assert.deepEqual(
      order.filter((column) => !columns.some((known) => known.name === column)),
      [],
    )
  }
})
