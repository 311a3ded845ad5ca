import assert from 'node:assert/strict'
import { existsSync, statSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openAdminSession } from '../../../../../test/cli/admin.ts'

test('bootstrap', async (t) => {
  const session = await openAdminSession({ bootstrapped: false })
  t.after(session.close)
  await session.play('bootstrap.txt')
  const path = join(session.folder, 'countersign-admin.json')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  unlinkSync(path)
  const again = await session.try('bootstrap')
  assert.equal(again.code, 2)
  assert.match(again.stderr, /no one-time code/)
  assert.ok(!existsSync(path))
})
