import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { freePort } from '../../../../../test/cli/issuer.ts'
import { countersign } from '../../../../../test/cli/session.ts'
import { startServers } from '../../serve/start.ts'
import { readTrust } from '../../trust/read.ts'

test('an installation that runs is well, and is not when something of it is gone', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-doctor-'))
  const upstream = createServer()
  const [issuerPort, gatewayPort, upstreamPort] = [await freePort(), await freePort(), await freePort()]
  await once(upstream.listen(upstreamPort, '127.0.0.1'), 'listening')
  const env = { SEAL: 's'.repeat(40), ORDERS_SECRET: 'o'.repeat(40) }
  const file = join(folder, 'countersign.yaml')
  const text = `issuer:
  url: http://localhost:${issuerPort}
  listen: 127.0.0.1:${issuerPort}
  store: sqlite:${join(folder, 'countersign.db')}
  keys: { seal: { env: SEAL } }
gateway:
  listen: 127.0.0.1:${gatewayPort}
services:
  billing:
    audience: https://billing.acme.example
    roles: [reader]
    upstream: http://127.0.0.1:${upstreamPort}
    at: /billing
    routes: { GET /health: open }
clients:
  orders: { authenticate: { secret: { env: ORDERS_SECRET } }, may: { billing: { roles: [reader] } } }
`
  writeFileSync(file, text)
  chmodSync(file, 0o644)
  const reading = readTrust(text, { file, env, readFile: () => '' })
  const trust = reading.kind === 'trust' ? reading.trust : assert.fail(JSON.stringify(reading.mistakes))
  const servers = await startServers({ trust, drainMs: 200 })
  t.after(async () => {
    upstream.close()
    await servers.close()
    rmSync(folder, { recursive: true })
  })

  const well = await countersign(['doctor'], { cwd: folder, env })
  assert.deepEqual([well.code, well.stdout.match(/^(warn|FAIL).*$/gm)], [0, null], well.stdout)
  assert.equal(well.stderr, 'all 13 checks are well\n')

  const json = await countersign(['doctor', '--json'], { cwd: folder })
  const { ok, checks } = JSON.parse(json.stdout) as {
    ok: boolean
    checks: { check: string; next?: string }[]
  }
  assert.deepEqual([json.code, ok], [5, false])
  const secrets = checks.filter(({ check }) => check === 'secrets')
  assert.equal(secrets.length, 2)
  assert.match(secrets[0]!.next!, /^set SEAL/)
  assert.ok(!checks.some(({ check }) => check === 'store'), 'without its seal nothing is said of the store')

  upstream.close()
  const gone = await countersign(['doctor', '--only', 'gateway'], { cwd: folder, env })
  assert.equal(gone.code, 5)
  assert.deepEqual(gone.stdout.match(/^FAIL.*\n.*$/gm)?.length, 1)
  assert.match(gone.stdout, /FAIL upstream billing .*ECONNREFUSED\n +next: start the service/)
  assert.match(gone.stderr, /^of \d+ checks 1 failed$/m)
})

test('a file that says what cannot be is reported as everywhere', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-doctor-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'countersign.yaml'), 'gateway: { lsten: 127.0.0.1:1 }\n')
  const { code, stderr } = await countersign(['doctor'], { cwd: folder })
  assert.equal(code, 3)
  assert.match(stderr, /did you mean "listen"\?/)
})
