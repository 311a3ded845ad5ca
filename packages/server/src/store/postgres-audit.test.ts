import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { auditEntry, draft, keyRecord } from '../../../../test/store/contract.ts'
import { startPostgres, whyNoPostgres } from '../../../../test/store/postgres-server.ts'
import type { PostgresServer } from '../../../../test/store/postgres-server.ts'
import { emptyChain, verifyChain } from './audit-chain.ts'
import { openPostgresPool } from './postgres-pool.ts'
import { openPostgresStore } from './postgres.ts'

// What it has in common with the other stores is in the contract that postgres.test.ts runs.

const skip = whyNoPostgres()
const options = skip === undefined ? {} : { skip }
let server: PostgresServer
before(async () => {
  if (skip === undefined) server = await startPostgres()
})
after(() => server?.stop())

test('replicas that change different things at once write one chain', options, async () => {
  const url = await server.newDatabase()
  const replicas = await Promise.all([1, 2, 3].map(() => openPostgresStore({ url })))
  await Promise.all(
    replicas.flatMap((replica, index) => [
      replica.appendAudit([auditEntry(`entry ${index}`), auditEntry(`entry ${index}`)]),
      replica.writeClient(draft(`c${index}`), 0, [auditEntry(`client ${index}`)]),
      replica.writeRevocation(
        {
          kind: 'token',
          id: `t${index}`,
          issuedBeforeSeconds: undefined,
          revokedAtMs: 1000,
          expiresAtMs: 9000,
          by: undefined,
        },
        { nowMs: 1000, most: 9, mostOfOne: 9 },
        [auditEntry(`revocation ${index}`)],
      ),
      replica.replaceRing(0, [keyRecord(`k${index}`)], [auditEntry(`ring ${index}`)]),
    ]),
  )
  const records = await replicas[0]!.readAudit(0, 100)
  const verdict = verifyChain(emptyChain, records)
  assert.deepEqual(verdict, { kind: 'whole', head: await replicas[1]!.readAuditHead() })
  // Of the three rings one won, and only that one is told of.
  assert.equal(records.length, 6 + 3 + 3 + 1)
  await Promise.all(replicas.map((replica) => replica.close()))
})

test('what cannot be written into the audit log does not happen', options, async () => {
  const url = await server.newDatabase()
  const store = await openPostgresStore({ url })
  const pool = openPostgresPool(url, 20_000)
  await pool.run({ text: `ALTER TABLE countersign.audit_record ADD CHECK (subject <> 'full')` })
  const refused = { code: 'store-unavailable' }
  await assert.rejects(store.writeClient(draft('a'), 0, [auditEntry('full')]), refused)
  await assert.rejects(store.replaceRing(0, [], [auditEntry('full')]), refused)
  assert.equal(await store.findClient({ id: 'a' }), undefined)
  assert.equal((await store.readRing()).version, 0)
  assert.deepEqual(await store.readAuditHead(), emptyChain)
  await pool.close()
  await store.close()
})
