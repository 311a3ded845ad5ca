import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startTestIssuer } from '@countersign/sdk/testing'
import type { StartedTestIssuer } from '@countersign/sdk/testing'
import { listeningOn, testCommand } from '../example.ts'

const folder = join(import.meta.dirname, '../../.cache/examples')
const program = join(folder, 'go')
mkdirSync(folder, { recursive: true })
const built = spawnSync('go', ['build', '-o', program, '.'], { cwd: import.meta.dirname, timeout: 120_000 })
const skip = built.status === 0 ? false : 'no Go, or no way to its modules, on this machine'

if (skip === false) testCommand('go')

test('examples/go: what golang-jwt is told to refuse', { skip }, async () => {
  await using issuer = await issuerWith(['reader'])
  await withServices(issuer, 'orders-secret', async (orders) => {
    for (const [authorization, status] of [
      [issuer.authorization({ roles: 'reader' }), 200],
      [issuer.authorization({ roles: 'admin' }), 403],
      [issuer.authorization({ roles: 'reader', audience: 'https://billing.acme.example' }), 401],
      [issuer.authorization({ roles: 'reader', lifetimeSeconds: -60 }), 401],
      [issuer.authorization({ roles: 'reader', dangerouslySignature: 'foreign' }), 401],
      [
        issuer.authorization({ roles: 'reader', dangerouslyAlgorithm: 'none', dangerouslySignature: 'none' }),
        401,
      ],
      [issuer.authorization({ roles: 'reader', dangerouslyType: 'JWT' }), 401],
    ] as const) {
      assert.equal((await ask(orders, authorization)).status, status)
    }
  })
})

for (const [what, roles, secret, status, body] of [
  [
    'a token with the role',
    ['reader'],
    'orders-secret',
    200,
    'order 7 for shop; billing: invoice 7 for orders',
  ],
  ['a token without the role', [], 'orders-secret', 502, 'billing refused: 403'],
  ['no token', ['reader'], 'a wrong secret', 502, 'billing cannot be asked'],
] as const) {
  test(`examples/go: orders calls billing with ${what}: ${status}`, { skip }, async () => {
    await using issuer = await issuerWith(roles)
    await withServices(issuer, secret, async (orders, billing) => {
      const reply = await ask(orders, issuer.authorization({ clientId: 'shop', roles: 'reader' }))
      assert.deepEqual([reply.status, (await reply.text()).trim()], [status, body])
      assert.equal((await fetch(`${billing}/invoices/7`)).status, 401, 'billing is guarded')
    })
  })
}

/** What the client `orders` may ask for is what billing sees of it. */
function issuerWith(roles: readonly string[]): Promise<StartedTestIssuer> {
  const clients = { orders: { secret: 'orders-secret', roles } }
  return startTestIssuer({ audience: 'https://orders.acme.example', clients })
}

async function withServices(
  { url: ISSUER }: StartedTestIssuer,
  ORDERS_SECRET: string,
  use: (orders: string, billing: string) => Promise<void>,
): Promise<void> {
  const started: ChildProcess[] = []
  const start = (command: string, parameters: readonly string[], more = {}): Promise<string> => {
    const env = { ...process.env, ISSUER, PORT: '0', ORDERS_SECRET, ...more }
    const child = spawn(command, parameters, { env, stdio: ['ignore', 'pipe', 'inherit'] })
    started.push(child)
    return listeningOn(child)
  }
  try {
    const file = join(import.meta.dirname, 'billing.ts')
    const BILLING = await start(process.execPath, ['--conditions=source', file])
    await use(await start(program, [], { BILLING }), BILLING)
  } finally {
    for (const one of started) one.kill()
  }
}

function ask(orders: string, authorization: string): Promise<Response> {
  return fetch(`${orders}/orders/7`, { headers: { authorization } })
}
