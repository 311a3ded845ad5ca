import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { auditEntry, keyRecord } from '../../../../test/store/contract.ts'
import type { StoreSettings } from '../trust/trust.ts'
import { copyStore } from './copy.ts'
import { openStore } from './open.ts'

// What every pair of drivers must do stands in test/store/copy-contract.ts.

const folder = mkdtempSync(join(tmpdir(), 'countersign-copy-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newPlace = (): StoreSettings & { kind: 'sqlite' } => ({
  kind: 'sqlite',
  path: join(folder, `${files++}.db`),
})

test('says what it copied', async () => {
  const [from, to] = [newPlace(), newPlace()]
  const store = await openStore(from)
  await store.replaceRing(0, [keyRecord('a')], [auditEntry('a'), auditEntry('b')])
  const auditHead = await store.readAuditHead()
  await store.close()
  assert.deepEqual(await copyStore(from, to), {
    from: `sqlite:${from.path}`,
    to: `sqlite:${to.path}`,
    keys: 1,
    clients: 0,
    auditRecords: 2,
    auditHead,
    replayMarks: 0,
    revocations: 0,
  })
})

test('an audit log that is broken, or cut off, is not copied as if it were whole', async () => {
  for (const [damage, message] of [
    [`UPDATE audit_record SET subject = 'x' WHERE sequence = 2`, /broken: record 2/],
    ['DELETE FROM audit_record WHERE sequence = 2', /broken: record 3 stands where 2 should/],
    ['DELETE FROM audit_record WHERE sequence = 3', /broken: it ends at record 2/],
  ] as const) {
    const [from, to] = [newPlace(), newPlace()]
    const store = await openStore(from)
    await store.appendAudit(['a', 'b', 'c'].map((subject) => auditEntry(subject)))
    await store.close()
    const database = new DatabaseSync(from.path)
    database.exec(damage)
    database.close()
    await assert.rejects(copyStore(from, to), { code: 'store-copy-failed', message })
    const target = await openStore(to)
    assert.equal((await target.readAuditHead()).sequence, 0)
    await target.close()
  }
})

test('a memory store can be neither', async () => {
  for (const [from, to] of [
    [{ kind: 'memory' }, newPlace()],
    [newPlace(), { kind: 'memory' }],
  ] as const) {
    await assert.rejects(copyStore(from, to), { code: 'usage' })
  }
})
