import assert from 'node:assert/strict'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openAdminSession } from '../../../../test/cli/admin.ts'
import { countersign } from '../../../../test/cli/session.ts'
import { openAdmin } from './admin-access.ts'
import type { Context } from './context.ts'

test('credentials that others can read are not used', async (t) => {
  const session = await openAdminSession()
  t.after(session.close)
  const path = join(session.folder, 'countersign-admin.json')
  chmodSync(path, 0o640)
  const { code, stderr } = await session.try('clients')
  assert.equal(code, 2)
  assert.match(stderr, /others can read.*\n.*chmod 600/)
})

test('credentials may come from the environment, and never show', async (t) => {
  const session = await openAdminSession()
  t.after(session.close)
  const kept = JSON.parse(readFileSync(join(session.folder, 'countersign-admin.json'), 'utf8')) as Record<
    string,
    string
  >
  const env = {
    COUNTERSIGN_ADMIN_CLIENT: kept['client_id']!,
    COUNTERSIGN_ADMIN_SECRET: kept['client_secret']!,
    COUNTERSIGN_ADMIN_CREDENTIALS: 'nowhere.json',
  }
  const { code, stderr } = await countersign(['clients'], { cwd: session.folder, env })
  assert.equal(code, 0, stderr)
  const wrong = { ...env, COUNTERSIGN_ADMIN_SECRET: 'x'.repeat(44) }
  const refused = await countersign(['clients'], { cwd: session.folder, env: wrong })
  assert.equal(refused.code, 5)
  assert.ok(!refused.stderr.includes('x'.repeat(10)))
})

for (const url of [
  'http://admin.acme.example',
  'https://admin.acme.example/path',
  'ftp://localhost',
  'nonsense',
]) {
  test(`no token travels to ${url}`, async () => {
    const context = {
      env: {
        COUNTERSIGN_ADMIN_CLIENT: 'x',
        COUNTERSIGN_ADMIN_SECRET: 'y',
        COUNTERSIGN_ADMIN_URL: url,
      },
      cwd: join(import.meta.dirname, '../../../../examples'),
      config: undefined,
    } as unknown as Context
    await assert.rejects(openAdmin(context), (error: Error) => !error.message.includes('y '.repeat(3)))
  })
}
