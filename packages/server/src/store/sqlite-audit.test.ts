import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { auditEntry, draft } from '../../../../test/store/contract.ts'
import { emptyChain, verifyChain } from './audit-chain.ts'
import { openSqliteStore } from './sqlite.ts'

// What it has in common with the other stores is in the contract that sqlite.test.ts runs.

const directory = mkdtempSync(join(tmpdir(), 'countersign-audit-'))
after(() => rmSync(directory, { recursive: true, force: true }))

test('a record that somebody changed or took out in the file is found', async () => {
  for (const [name, sql, sequence] of [
    ['changed', `UPDATE audit_record SET actor = 'client nobody' WHERE sequence = 2`, 2],
    ['removed', 'DELETE FROM audit_record WHERE sequence = 2', 2],
    ['swapped', `UPDATE audit_record SET hash = (SELECT hash FROM audit_record WHERE sequence = 1)`, 2],
  ] as const) {
    const path = join(directory, `${name}.db`)
    const store = openSqliteStore({ path })
    await store.appendAudit(['a', 'b', 'c'].map((subject) => auditEntry(subject)))
    const database = new DatabaseSync(path)
    database.exec(sql)
    database.close()
    const verdict = verifyChain(emptyChain, await store.readAudit(0, 10))
    assert.ok(verdict.kind === 'broken', name)
    assert.equal(verdict.sequence, sequence)
    await store.close()
  }
})

test('the last records cannot be taken out without the head showing it', async () => {
  const path = join(directory, 'cut.db')
  const store = openSqliteStore({ path })
  await store.appendAudit(['a', 'b', 'c'].map((subject) => auditEntry(subject)))
  const database = new DatabaseSync(path)
  database.exec('DELETE FROM audit_record WHERE sequence = 3')
  database.close()
  const verdict = verifyChain(emptyChain, await store.readAudit(0, 10))
  assert.ok(verdict.kind === 'whole')
  assert.notDeepEqual(verdict.head, await store.readAuditHead())
  await store.close()
})

test('what cannot be written into the audit log does not happen', async () => {
  const path = join(directory, 'full.db')
  const store = openSqliteStore({ path })
  const database = new DatabaseSync(path)
  database.exec(`CREATE TRIGGER full BEFORE INSERT ON audit_record BEGIN SELECT RAISE(FAIL, 'full'); END`)
  await assert.rejects(store.writeClient(draft('a'), 0, [auditEntry('a')]), { code: 'store-unavailable' })
  await assert.rejects(store.replaceRing(0, [], [auditEntry('ring')]), { code: 'store-unavailable' })
  assert.equal(await store.findClient({ id: 'a' }), undefined)
  assert.equal((await store.readRing()).version, 0)
  database.exec('DROP TRIGGER full')
  database.close()
  assert.ok(await store.writeClient(draft('a'), 0, [auditEntry('a')]))
  await store.close()
})
