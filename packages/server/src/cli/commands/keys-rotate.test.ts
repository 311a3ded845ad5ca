import { test } from 'node:test'
import { openAdminSession } from '../../../../../test/cli/admin.ts'

test('keys rotate', async (t) => {
  const session = await openAdminSession()
  t.after(session.close)
  await session.play('keys-rotate.txt')
})
