import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startTestIssuer } from '@countersign/sdk/testing'
import { matchesOutput, readShellBlocks } from '../../test/e2e/readme-blocks.ts'
import { listeningOn, readAll } from '../example.ts'

const folder = join(import.meta.dirname, '../../.cache/examples')
const program = join(folder, 'go')
mkdirSync(folder, { recursive: true })
const built = spawnSync('go', ['build', '-o', program, '.'], { cwd: import.meta.dirname, timeout: 120_000 })
const skip = built.status === 0 ? false : 'no Go, or no way to its modules, on this machine'

test('examples/go: the client of the README prints what it says', { skip }, async () => {
  await using issuer = await startTestIssuer({
    audience: 'https://billing.acme.example',
    clients: { orders: { secret: 'orders-secret', roles: ['reader'] } },
  })
  const env = { ...process.env, ISSUER: issuer.url, PORT: '0', ORDERS_SECRET: 'orders-secret' }
  const start = (command: string, more = {}): ChildProcess =>
    spawn(program, [command], { env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'inherit'] })
  const service = start('serve')
  try {
    const SERVICE = await listeningOn(service)
    const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8')
    const { output } = readShellBlocks(readme).find(({ output }) => output !== undefined)!
    const printed = await readAll(start('call', { SERVICE }))
    assert.ok(matchesOutput(printed, output!), printed)

    for (const [authorization, status] of [
      [issuer.authorization({ roles: 'reader' }), 200],
      [issuer.authorization({ roles: 'admin' }), 403],
      [issuer.authorization({ roles: 'reader', audience: 'https://other.example' }), 401],
      [issuer.authorization({ roles: 'reader', lifetimeSeconds: -60 }), 401],
      [issuer.authorization({ roles: 'reader', dangerouslySignature: 'foreign' }), 401],
      [
        issuer.authorization({ roles: 'reader', dangerouslyAlgorithm: 'none', dangerouslySignature: 'none' }),
        401,
      ],
      [issuer.authorization({ roles: 'reader', dangerouslyType: 'JWT' }), 401],
    ] as const) {
      assert.equal((await fetch(`${SERVICE}/invoices/7`, { headers: { authorization } })).status, status)
    }
  } finally {
    service.kill()
  }
})
