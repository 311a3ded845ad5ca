import { join } from 'node:path'
import { test } from 'node:test'
import { createSigner, generateSigningKey } from '@countersign/sdk/jwt'
import { openIssuer } from '../../../../../test/cli/issuer.ts'
import { countersign, playSession } from '../../../../../test/cli/session.ts'

test('verify', async (t) => {
  const { folder, url, env, close } = await openIssuer()
  t.after(close)
  const got = await countersign(['token', '--client', 'orders'], { cwd: folder, env })
  const foreign = createSigner({ key: generateSigningKey('ES256') }).sign({
    iss: 'http://localhost:1',
    aud: 'x',
    exp: 4_000_000_000,
  })
  await playSession(join(import.meta.dirname, '../golden/verify.txt'), {
    cwd: folder,
    env: { ...env, COUNTERSIGN_TOKEN: got.stdout.trim() },
    names: [
      [url, 'ISSUER'],
      [foreign, 'FOREIGN'],
    ],
    hide: [
      [/kid [\w-]{43}/g, 'kid KID'],
      [/ends in \d+ s/g, 'ends in N s'],
      [/of \d{3} characters/g, 'of N characters'],
      [/"(exp|iat)": \d+/g, '"$1": N'],
      [/"jti": "[^"]+"/g, '"jti": "ID"'],
    ],
  })
})
