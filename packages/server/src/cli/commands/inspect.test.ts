import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Secret } from '@countersign/sdk/core'
import { createSigner, readSecretSigningKey } from '@countersign/sdk/jwt'
import { countersign, playSession } from '../../../../../test/cli/session.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-inspect-'))
after(() => rmSync(folder, { recursive: true }))

const key = readSecretSigningKey(Secret.fromText('s'.repeat(32)), { algorithm: 'HS256', keyId: 'k1' })
const token = createSigner({ key }).sign({
  iss: 'https://a.example',
  aud: ['a', 'b'],
  exp: 4_000_000_000,
  roles: ['x'],
})

test('inspect', async () => {
  await playSession(join(import.meta.dirname, '../golden/inspect.txt'), {
    cwd: folder,
    env: { COUNTERSIGN_TOKEN: token },
    input: `\n${token}\n`,
    hide: [[/in \d+ d\)/g, 'in N d)']],
  })
})

test('the signature is never printed', async () => {
  const { stdout, stderr } = await countersign(['inspect', token], { cwd: folder })
  assert.ok(!`${stdout}${stderr}`.includes(token.split('.')[2] ?? 'x'))
})
