import { test } from 'node:test'
import { openAdminSession } from '../../../../../test/cli/admin.ts'

test('clients disable', async (t) => {
  const session = await openAdminSession()
  t.after(session.close)
  const { id } = JSON.parse(await session.run('clients', 'add', '--service', 'billing', '--json')) as {
    id: string
  }
  await session.play('clients-disable.txt', [[id, 'CLIENT']])
})
