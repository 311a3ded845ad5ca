import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../../../../test/cli/issuer.ts'
import { countersign, playSession } from '../../../../../test/cli/session.ts'
import { auditEntry, draft, keyRecord } from '../../../../../test/store/contract.ts'
import { startPostgres, whyNoPostgres } from '../../../../../test/store/postgres-server.ts'
import { startServers } from '../../serve/start.ts'
import type { RunningServers } from '../../serve/start.ts'
import { openSqliteStore } from '../../store/sqlite.ts'
import { readTrust } from '../../trust/read.ts'

const golden = fileURLToPath(new URL('../golden/store-copy.txt', import.meta.url))
const folders: string[] = []
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })))
const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-store-copy-'))
  folders.push(folder)
  return folder
}

test('store copy', async () => {
  const cwd = newFolder()
  const store = openSqliteStore({ path: join(cwd, 'countersign.db') })
  await store.replaceRing(0, [keyRecord('a')], [auditEntry('a')])
  await store.writeClient(draft('reports'), 0, [auditEntry('reports')])
  await store.close()
  await playSession(golden, {
    cwd,
    env: { FILLED: 'sqlite:moved.db' },
    names: [[cwd, 'FOLDER']],
  })
})

const skip = whyNoPostgres()
test(
  'after a move to PostgreSQL an issuer signs with the same keys and takes the same clients',
  {
    ...(skip === undefined ? {} : { skip }),
  },
  async (t) => {
    const postgres = await startPostgres()
    t.after(() => postgres.stop())
    const env = { SEAL: 'x'.repeat(48), TARGET: (await postgres.newDatabase()).revealText() }
    const cwd = newFolder()
    const [port, adminPort] = [await freePort(), await freePort()]
    const start = async (store: string): Promise<RunningServers> => {
      const text = `issuer:
  url: http://localhost:${port}
  listen: 127.0.0.1:${port}
  store: ${store}
  keys: { seal: { env: SEAL } }
  admin: { listen: 127.0.0.1:${adminPort} }
services: { billing: { audience: https://billing.acme.example, roles: [reader] } }
`
      writeFileSync(join(cwd, 'countersign.yaml'), text)
      const read = readTrust(text, {
        file: join(cwd, 'countersign.yaml'),
        env,
        readFile: (path) => readFileSync(path, 'utf8'),
      })
      const trust = read.kind === 'trust' ? read.trust : assert.fail(JSON.stringify(read.mistakes))
      return startServers({ trust, drainMs: 200 })
    }
    const run = async (...args: string[]): Promise<string> => {
      const { stdout, stderr, code } = await countersign(args, { cwd, env })
      assert.equal(code, 0, `countersign ${args.join(' ')}: ${stderr}`)
      return stdout.trimEnd()
    }
    const keySet = async (): Promise<unknown> =>
      (await fetch(`http://127.0.0.1:${port}/.well-known/jwks.json`)).json()

    const before = await start('sqlite:countersign.db')
    await run('bootstrap')
    const client = await run(
      'clients',
      'add',
      '--name',
      'reports',
      '--service',
      'billing',
      '--role',
      'reader',
      '--secret-file',
      'secret',
    )
    await run('keys', 'rotate')
    await run('revoke', 'subject', 'alice')
    const token = await run('token', '--client', client, '--secret-file', 'secret')
    const [keys, clients] = [await keySet(), await run('clients', 'list', '--json')]
    await before.close()

    const copied = JSON.parse(
      await run('store', 'copy', 'sqlite:countersign.db', 'env:TARGET', '--json'),
    ) as Record<string, unknown>
    assert.deepEqual([copied['keys'], copied['clients'], copied['revocations']], [2, 2, 1])
    assert.doesNotMatch(JSON.stringify(copied), /hush/)

    const behind = await start('{ env: TARGET }')
    t.after(() => behind.close())
    assert.deepEqual(await keySet(), keys)
    await run('verify', token, '--service', 'billing')
    await run(
      'verify',
      await run('token', '--client', client, '--secret-file', 'secret'),
      '--service',
      'billing',
    )
    assert.equal(await run('clients', 'list', '--json'), clients)
    const list = await (await fetch(`http://127.0.0.1:${port}/revocations`)).text()
    assert.match(Buffer.from(list.split('.')[1] ?? '', 'base64url').toString(), /"subjects":\[\[/)
    assert.match(await run('audit', 'verify'), /^\d+:/)
  },
)
