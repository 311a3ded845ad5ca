import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openSqliteStore } from './sqlite.ts'
import { revocationRecord } from '../../../../test/store/revocation-contract.ts'

// What it has in common with the other stores is in the contract that sqlite.test.ts runs.

const directory = mkdtempSync(join(tmpdir(), 'countersign-revocations-'))
after(() => rmSync(directory, { recursive: true, force: true }))
const bounds = { nowMs: 1000, most: 9, mostOfOne: 9 }

test('two openings of one file see each other’s revocations, and those of the one before', async () => {
  const path = join(directory, 'a.db')
  const [one, two] = [openSqliteStore({ path }), openSqliteStore({ path })]
  await one.writeRevocation(revocationRecord('token', 'a'), bounds)
  const seen = await two.readRevocations(1000)
  assert.deepEqual(seen?.revocations, [revocationRecord('token', 'a')])
  await one.close()
  await two.close()
  const third = openSqliteStore({ path })
  assert.deepEqual(await third.readRevocations(1000), seen)
  await third.close()
})

test('one sweep drops no more than its limit, of marks and revocations together', async () => {
  const store = openSqliteStore({ path: join(directory, 'b.db'), sweepLimit: 3 })
  for (const id of ['a', 'b']) {
    await store.putOnce('orders', id, 2000, 1000)
    await store.writeRevocation(revocationRecord('token', id, { expiresAtMs: 2000 }), bounds)
  }
  assert.deepEqual(await store.sweep(9000), { dropped: 3 })
  assert.deepEqual(await store.sweep(9000), { dropped: 1 })
  await store.close()
})
