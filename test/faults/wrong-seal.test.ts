import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { startServers } from '../../packages/server/src/serve/start.ts'
import { openPostgresPool } from '../../packages/server/src/store/postgres-pool.ts'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import type { Trust } from '../../packages/server/src/trust/trust.ts'
import { startPostgres, whyNoPostgres } from '../store/postgres-server.ts'
import type { PostgresServer } from '../store/postgres-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-seal-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const right = 'the right seal, which is long enough to be one'
const wrong = 'another seal, which is just as long as the one'

test('with the wrong seal nothing starts, and no byte of the SQLite file is touched', async () => {
  const store = `sqlite:${join(folder, 'current.db')}`
  await runOnce(store, right)
  const written = hashes('current.db')
  await assert.rejects(runOnce(store, wrong), { code: 'seal-broken' })
  assert.deepEqual(hashes('current.db'), written)
  await runOnce(store, right)
})

test('nor is one of an earlier version brought up to date', async () => {
  const path = join(folder, 'earlier.db')
  await runOnce(`sqlite:${path}`, right)
  const database = new DatabaseSync(path)
  database.exec('DROP TABLE revocation; DROP TABLE revocation_list; PRAGMA user_version = 2')
  database.close()
  const written = hashes('earlier.db')
  await assert.rejects(runOnce(`sqlite:${path}`, wrong), { code: 'seal-broken' })
  assert.deepEqual(hashes('earlier.db'), written)
  // With the right one it is.
  await runOnce(`sqlite:${path}`, right)
  assert.notDeepEqual(hashes('earlier.db'), written)
})

describe('the same in PostgreSQL', { skip: whyNoPostgres() ?? false }, () => {
  let server: PostgresServer
  before(async () => void (server = await startPostgres()))
  after(() => server.stop())

  test('of this version, and of an earlier one', async () => {
    const url = await server.newDatabase()
    const pool = openPostgresPool(url, 5000)
    const content = async (): Promise<string> => {
      const { rows } = await pool.run({
        text: `SELECT (SELECT version FROM countersign.schema_version) AS schema, ring.version,
                 (SELECT json_agg(ring_key) FROM countersign.ring_key) AS keys,
                 (SELECT json_agg(table_name ORDER BY table_name) FROM information_schema.tables
                    WHERE table_schema = 'countersign') AS tables,
                 (SELECT json_agg(audit_record) FROM countersign.audit_record) AS audit
               FROM countersign.ring`,
      })
      return JSON.stringify(rows)
    }
    await runOnce(url.revealText(), right)
    const current = await content()
    await assert.rejects(runOnce(url.revealText(), wrong), { code: 'seal-broken' })
    assert.equal(await content(), current)

    await pool.run({
      text: 'DROP TABLE countersign.revocation, countersign.revocation_list; UPDATE countersign.schema_version SET version = 2',
    })
    const earlier = await content()
    await assert.rejects(runOnce(url.revealText(), wrong), { code: 'seal-broken' })
    assert.equal(await content(), earlier)
    await runOnce(url.revealText(), right)
    assert.equal(await content(), current)
    await pool.close()
  })
})

async function runOnce(store: string, seal: string): Promise<void> {
  const servers = await startServers({ trust: trustOf(store, seal) })
  await servers.close()
}

function trustOf(store: string, seal: string): Trust {
  const text = `
issuer: { url: 'http://127.0.0.1:8080', listen: '127.0.0.1:0', store: { env: STORE }, keys: { seal: { env: SEAL } } }
services: { billing: { audience: https://billing.acme.example, roles: [reader] } }
clients: { orders: { authenticate: { secret: { env: ORDERS } }, may: { billing: { roles: [reader] } } } }
`
  const env = { STORE: store, SEAL: seal, ORDERS: 'orders-secret-of-some-length-0001' }
  const read = readTrust(text, { file: join(folder, 'countersign.yaml'), env, readFile: () => '' })
  assert.ok(read.kind !== 'mistakes', JSON.stringify(read))
  return read.trust
}

/** Of the file and of those beside it. */
function hashes(name: string): readonly string[] {
  return readdirSync(folder)
    .filter((file) => file.startsWith(name))
    .sort()
    .map(
      (file) =>
        `${file} ${createHash('sha256')
          .update(readFileSync(join(folder, file)))
          .digest('hex')}`,
    )
}
