/**
 * Test support: a process of its own that changes clients and keys in a SQLite store until something stops it, and says
 * each change on stdout once it is acknowledged: `audited-writer.ts PATH ROUND`.
 */
import { writeSync } from 'node:fs'
import { openSqliteStore } from '../../packages/server/src/store/sqlite.ts'
import { auditEntry, draft, keyRecord } from '../store/contract.ts'

const [path = '', round = ''] = process.argv.slice(2)
const store = openSqliteStore({ path })
for (let count = 0; ; count++) {
  const id = `${round}-${count}`
  await store.writeClient(draft(id), 0, [auditEntry(id)])
  writeSync(1, `client ${id}\n`)
  await store.writeClient(draft(id, { settings: '{"changed":true}' }), 1, [auditEntry(id)])
  writeSync(1, `change ${id}\n`)
  const { version } = await store.readRing()
  await store.replaceRing(version, [keyRecord(id)], [auditEntry(id)])
  writeSync(1, `ring ${version + 1}\n`)
}
