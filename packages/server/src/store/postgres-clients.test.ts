import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { draft } from '../../../../test/store/contract.ts'
import { startPostgres, whyNoPostgres } from '../../../../test/store/postgres-server.ts'
import type { PostgresServer } from '../../../../test/store/postgres-server.ts'
import { openPostgresStore } from './postgres.ts'

// What it has in common with the other stores is in the contract that postgres.test.ts runs.

const skip = whyNoPostgres()
const options = skip === undefined ? {} : { skip }
let server: PostgresServer
before(async () => {
  if (skip === undefined) server = await startPostgres()
})
after(() => server?.stop())

test('who follows the changes misses none, however many write at once', options, async () => {
  const url = await server.newDatabase()
  const replicas = await Promise.all([1, 2, 3].map(() => openPostgresStore({ url })))
  const reader = await openPostgresStore({ url })
  const seen = new Set<string>()
  let version = 0
  let done = false
  const follow = async (): Promise<void> => {
    for (let last = false; !last;) {
      last = done
      for (const client of await reader.readClientChanges(version, 5)) {
        // A change that became visible behind a later one would be missed for ever.
        assert.ok(client.version > version)
        version = client.version
        seen.add(client.id)
      }
    }
  }
  const following = follow()
  await Promise.all(
    replicas.map(async (replica, index) => {
      for (let count = 0; count < 20; count++) await replica.writeClient(draft(`${index}-${count}`), 0, [])
    }),
  )
  done = true
  await following
  for (let more = 1; more > 0;) {
    const changes = await reader.readClientChanges(version, 5)
    for (const client of changes) seen.add(client.id)
    version = changes.at(-1)?.version ?? version
    more = changes.length
  }
  assert.equal(seen.size, 60)
  await Promise.all([reader, ...replicas].map((store) => store.close()))
})
