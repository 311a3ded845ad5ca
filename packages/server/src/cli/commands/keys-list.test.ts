import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openIssuer } from '../../../../../test/cli/issuer.ts'
import { playSession } from '../../../../../test/cli/session.ts'

test('keys list', async (t) => {
  const { folder, url, close } = await openIssuer()
  t.after(close)
  writeFileSync(join(folder, 'gateway-only.yaml'), 'gateway: { listen: 127.0.0.1:1 }\n')
  await playSession(join(import.meta.dirname, '../golden/keys-list.txt'), {
    cwd: folder,
    names: [[url, 'ISSUER']],
    hide: [[/[A-Za-z0-9_-]{43}/g, 'KID']],
  })
})
