import { test } from 'node:test'
import { openAdminSession } from '../../../../../test/cli/admin.ts'

test('keys remove', async (t) => {
  const session = await openAdminSession()
  t.after(session.close)
  const [key = ''] = (await session.run('keys')).split(' ')
  await session.play('keys-remove.txt', [[key, 'KEY']])
})
