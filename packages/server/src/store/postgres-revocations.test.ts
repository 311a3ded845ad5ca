import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startPostgres, whyNoPostgres } from '../../../../test/store/postgres-server.ts'
import type { PostgresServer } from '../../../../test/store/postgres-server.ts'
import { revocationRecord } from '../../../../test/store/revocation-contract.ts'
import { openPostgresStore } from './postgres.ts'

// What it has in common with the other stores is in the contract that postgres.test.ts runs.

const skip = whyNoPostgres()
const options = skip === undefined ? {} : { skip }
let server: PostgresServer
before(async () => {
  if (skip === undefined) server = await startPostgres()
})
after(() => server?.stop())

test('replicas that revoke at once see one list', options, async () => {
  const url = await server.newDatabase()
  const replicas = await Promise.all([1, 2, 3].map(() => openPostgresStore({ url })))
  const bounds = { nowMs: 1000, most: 100, mostOfOne: 100 }
  await Promise.all(
    replicas.flatMap((replica, index) =>
      ['a', 'b', 'c', 'same'].map((id) =>
        replica.writeRevocation(revocationRecord('token', id === 'same' ? id : `${id}${index}`), bounds),
      ),
    ),
  )
  const [first, ...others] = await Promise.all(replicas.map((replica) => replica.readRevocations(1000)))
  assert.equal(first?.revocations.length, 10)
  for (const other of others) assert.deepEqual(other, first)
  await Promise.all(replicas.map((replica) => replica.close()))
})

test('one sweep drops no more than its limit, of marks and revocations together', options, async () => {
  const store = await openPostgresStore({ url: await server.newDatabase(), sweepLimit: 3 })
  for (const id of ['a', 'b']) {
    await store.putOnce('orders', id, 2000, 1000)
    const record = revocationRecord('token', id, { expiresAtMs: 2000 })
    await store.writeRevocation(record, { nowMs: 1000, most: 9, mostOfOne: 9 })
  }
  assert.deepEqual(await store.sweep(9000), { dropped: 3 })
  assert.deepEqual(await store.sweep(9000), { dropped: 1 })
  await store.close()
})
