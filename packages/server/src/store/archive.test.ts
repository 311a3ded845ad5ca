import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refuseFilled, refuseMissing, refuseOtherVersion } from './archive.ts'
import type { ReadTable } from './archive.ts'
import type { Row } from './tables.ts'

test('only the version that is known here is taken', () => {
  refuseOtherVersion('a', 3, 3)
  assert.throws(() => refuseOtherVersion('a', 2, 3), {
    code: 'store-older',
    message: /^a has schema version 2;.* 3$/,
  })
  assert.throws(() => refuseOtherVersion('a', 4, 3), {
    code: 'store-newer',
    message: /^a has schema version 4;.* 3$/,
  })
})

test('what is missing is named', () => {
  assert.match(refuseMissing('sqlite:a.db').message, /sqlite:a\.db/)
})

test('a store is empty while no row is in it and nothing has been counted', async () => {
  const fresh: Record<string, readonly Row[]> = {
    ring: [[0]],
    client_version: [[0]],
    audit_head: [[0, '']],
    revocation_list: [[1_800_000_000_000]],
  }
  await refuseFilled('a', reading(fresh))
  for (const [table, rows] of [
    ['ring', [[1]]],
    ['client_version', [[7]]],
    ['audit_head', [[1, 'hash']]],
    ['replay_mark', [['a', 'b', 1]]],
    ['revocation', [['key', 'k', null, 1, 2, null]]],
    ['ring', [[0], [0]]],
  ] as const) {
    await assert.rejects(refuseFilled('a', reading({ ...fresh, [table]: rows })), {
      code: 'store-not-empty',
      message: `a is not empty: there is something in its table ${table}`,
    })
  }
})

function reading(rows: Record<string, readonly Row[]>): ReadTable {
  return async function* ({ name }) {
    if (rows[name] !== undefined) yield rows[name]
  }
}
