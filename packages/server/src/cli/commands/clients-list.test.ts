import { test } from 'node:test'
import { openAdminSession } from '../../../../../test/cli/admin.ts'

test('clients list', async (t) => {
  const session = await openAdminSession()
  t.after(session.close)
  await session.play('clients-list.txt')
})
