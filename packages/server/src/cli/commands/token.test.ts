import { join } from 'node:path'
import { test } from 'node:test'
import { openIssuer } from '../../../../../test/cli/issuer.ts'
import { playSession } from '../../../../../test/cli/session.ts'

test('token', async (t) => {
  const { folder, url, env, close } = await openIssuer()
  t.after(close)
  await playSession(join(import.meta.dirname, '../golden/token.txt'), {
    cwd: folder,
    env: { ...env, WRONG_SECRET: 'wrong-secret-wrong-secret-wrong-secret' },
    input: `${env['ORDERS_SECRET']}\n`,
    names: [[url, 'ISSUER']],
    hide: [
      [/eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{86}/g, 'TOKEN'],
      [/"expires_in": (299|300)/g, '"expires_in": 300'],
    ],
  })
})
