import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openAdminSession } from '../../../../../test/cli/admin.ts'

test('clients add', async (t) => {
  const session = await openAdminSession()
  t.after(session.close)
  writeFileSync(join(session.folder, 'settings.yaml'), 'name: shop\nmay: { billing: { roles: [reader] } }\n')
  writeFileSync(join(session.folder, 'mistaken.yaml'), 'may: { biling: {} }\nmaay: {}\n')
  await session.play('clients-add.txt')
})
