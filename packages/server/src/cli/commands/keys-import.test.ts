import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openAdminSession } from '../../../../../test/cli/admin.ts'

test('keys import', async (t) => {
  const session = await openAdminSession()
  t.after(session.close)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
  writeFileSync(join(session.folder, 'key.pem'), pem)
  await session.play('keys-import.txt')
})
