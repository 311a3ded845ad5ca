import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openAdminSession } from '../../../../../test/cli/admin.ts'
import { emptyChain, verifyChain } from '../../store/audit-chain.ts'
import type { AuditRecord } from '../../store/store.ts'

test('audit export gives every record as it was hashed', async (t) => {
  const session = await openAdminSession()
  t.after(session.close)
  for (const id of ['alice', 'bob']) await session.run('revoke', 'subject', id)
  const lines = (await session.run('audit', 'export')).split('\n')
  const records = lines.map((line) => JSON.parse(line) as AuditRecord)
  assert.equal(verifyChain(emptyChain, records).kind, 'whole')
  assert.deepEqual(
    records.filter(({ action }) => action === 'revocation.added').map(({ subject }) => subject),
    ['alice', 'bob'],
  )
})
