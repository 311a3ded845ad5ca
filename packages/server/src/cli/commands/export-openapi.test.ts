import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openAdminSession } from '../../../../../test/cli/admin.ts'

test('export openapi prints what the admin API serves', async (t) => {
  const session = await openAdminSession({ bootstrapped: false })
  t.after(session.close)
  const printed = JSON.parse(await session.run('export', 'openapi')) as { openapi: string; paths: object }
  assert.equal(printed.openapi, '3.1.0')
  assert.ok('/admin/clients/{id}/secrets' in printed.paths)
})
