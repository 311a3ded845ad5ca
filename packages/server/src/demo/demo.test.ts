import { after, test } from 'node:test'
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isProblem } from '@countersign/sdk/core'
import { createTokenSource } from '@countersign/sdk/client'
import { inspectToken, supportedAlgorithms } from '@countersign/sdk/jwt'
import { freePort } from '../../../../test/machine/free-port.ts'
import { silentLog } from '../log.ts'
import { signingAlgorithms } from '../trust/algorithm-names.ts'
import { runDemo } from './demo.ts'
import { logIn } from './login.ts'
import { otherAudience } from './people.ts'
import { readDemoSettings } from './settings.ts'
import type { DemoSettings } from './settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-demo-'))
after(() => rmSync(folder, { recursive: true }))

const printed: string[] = []
const warned: string[] = []
const settings = await demoSettings({ SECRET_KEY: 'unicorns' })
const demo = await runDemo({
  settings,
  cwd: folder,
  log: silentLog,
  print: (text) => void printed.push(text),
  warn: (line) => void warned.push(line),
})
const issuer = `http://localhost:${settings.ports.issuer}`
const gateway = `http://localhost:${settings.ports.gateway}`
const provider = `http://localhost:${settings.ports.provider}`
const people = await demo.people
after(() => demo.close())

test('the tutorial: no token, a token, the token in its header', async () => {
  const refused = await fetch(gateway)
  assert.equal(refused.status, 401)
  assert.equal((await refused.text()).trim(), 'No Authorization Token provided')
  const token = await (await fetch(issuer)).text()
  const allowed = await fetch(gateway, { headers: { token } })
  assert.equal(allowed.status, 200)
  assert.equal(await allowed.text(), 'Super Secret Information')
})

test('the tutorial’s token opens the tutorial’s service and nothing else', async () => {
  const token = await (await fetch(issuer)).text()
  const response = await fetch(`${gateway}/billing/invoices`, {
    headers: { authorization: `Bearer ${token}` },
  })
  assert.equal(response.status, 401)
  assert.equal((await response.text()).trim(), 'invalid iss')
})

test('a client’s token opens what its roles allow', async () => {
  const reader = await tokenOf('orders')
  assert.equal((await call('/billing/invoices', reader)).status, 200)
  assert.equal((await call('/billing/invoices', reader, 'POST')).status, 403)
  assert.equal((await call('/billing/invoices', await tokenOf('backoffice'), 'POST')).status, 201)
})

for (const algorithm of signingAlgorithms) {
  const skip = supportedAlgorithms().includes(algorithm) ? false : 'this runtime does not have it'
  test(`issuer, gateway and service agree by ${algorithm}`, { skip }, async () => {
    const env = { COUNTERSIGN_DEMO_ALGORITHM: algorithm }
    const other = await demoSettings(env, join(folder, algorithm))
    const running = await runDemo({ settings: other, cwd: folder, log: silentLog, print() {}, warn() {} })
    try {
      const source = createTokenSource({
        issuer: `http://localhost:${other.ports.issuer}`,
        clientId: 'orders',
        clientSecret: readFileSync(join(other.folder, 'orders.secret'), 'utf8'),
      })
      const authorization = await source.authHeader()
      const header: unknown = inspectToken(authorization.slice('Bearer '.length)).header?.['alg']
      assert.equal(header, algorithm)
      const url = `http://localhost:${other.ports.gateway}/billing/invoices`
      assert.equal((await fetch(url, { headers: { authorization } })).status, 200)
      const forged =
        authorization.slice(0, -8) + (authorization.at(-8) === 'A' ? 'B' : 'A') + authorization.slice(-7)
      assert.equal((await fetch(url, { headers: { authorization: forged } })).status, 401)
    } finally {
      await running.people.catch(() => undefined)
      await running.close()
    }
  })
}

test('a service believes the gateway nothing: asked directly it checks for itself', async () => {
  const direct = `http://127.0.0.1:${settings.ports.billing}/invoices`
  const forged = { 'countersign-client': 'backoffice', 'countersign-roles': '["admin"]' }
  assert.equal((await fetch(direct, { headers: forged })).status, 401)
})

test('a person’s token shows the person; one for another service is refused', async () => {
  assert.equal(people, true)
  const response = await call('/billing/whoami', await logIn({ user: 'alice', issuer: provider }))
  const { caller } = (await response.json()) as { caller: unknown }
  assert.deepEqual(caller, { client: 'demo-terminal', user: 'alice', roles: ['admin'] })
  const elsewhere = await logIn({ user: 'alice', issuer: provider, audience: otherAudience })
  const refused = await call('/billing/whoami', elsewhere)
  assert.equal(refused.status, 401)
  assert.equal((await refused.text()).trim(), 'invalid aud')
})

test('the short key is warned about once, loudly, without being repeated', () => {
  assert.equal(warned.length, 1)
  assert.match(warned[0]!, /^WARNING: SECRET_KEY has 8 bytes/)
  assert.ok(!warned[0]!.includes('unicorns'))
})

test('nothing printed holds a secret or a token', () => {
  // Without the folder's name, of which part is random.
  const text = printed.join('').replaceAll(folder, 'FOLDER')
  for (const client of ['orders', 'backoffice']) {
    assert.ok(!text.includes(readFileSync(join(folder, `${client}.secret`), 'utf8')))
  }
  assert.doesNotMatch(text, /eyJ|unicorns/)
})

test('a port that is taken leaves nothing behind: no server, no secret', async () => {
  const other = await occupy()
  const taken = (other.address() as AddressInfo).port
  const next = await demoSettings({ COUNTERSIGN_DEMO_BILLING_PORT: String(taken) }, join(folder, 'second'))
  await assert.rejects(
    runDemo({ settings: next, cwd: folder, log: silentLog, print: () => {}, warn: () => {} }),
    (error) => isProblem(error) && error.code === 'port-taken',
  )
  other.close()
  assert.ok(!existsSync(next.folder))
  await assert.rejects(fetch(`http://127.0.0.1:${next.ports.issuer}`))
})

test('closing ends every server and takes the secrets away', async () => {
  const one = await demoSettings({}, join(folder, 'closing'))
  const short = await runDemo({ settings: one, cwd: folder, log: silentLog, print: () => {}, warn: () => {} })
  assert.ok(existsSync(join(one.folder, 'orders.secret')))
  await Promise.all([short.close(), short.close()])
  assert.ok(!existsSync(join(one.folder, 'orders.secret')))
  for (const port of Object.values(one.ports)) await assert.rejects(fetch(`http://127.0.0.1:${port}`))
})

function call(path: string, token: string, method = 'GET'): Promise<Response> {
  const body = method === 'GET' ? null : '{"amount":12}'
  return fetch(gateway + path, { method, body, headers: { authorization: `Bearer ${token}` } })
}

async function tokenOf(client: string): Promise<string> {
  const clientSecret = readFileSync(join(folder, `${client}.secret`), 'utf8')
  const source = createTokenSource({ issuer, clientId: client, clientSecret })
  return (await source.token()).secret.revealText()
}

async function demoSettings(env: Record<string, string>, where = folder): Promise<DemoSettings> {
  const ports = await Promise.all(Array.from({ length: 5 }, freePort))
  const [issuer, gateway, provider, secret, billing] = ports.map(String)
  return readDemoSettings({
    env: {
      COUNTERSIGN_DEMO_ISSUER_PORT: issuer,
      COUNTERSIGN_DEMO_GATEWAY_PORT: gateway,
      COUNTERSIGN_DEMO_PROVIDER_PORT: provider,
      COUNTERSIGN_DEMO_SECRET_PORT: secret,
      COUNTERSIGN_DEMO_BILLING_PORT: billing,
      COUNTERSIGN_DEMO_FOLDER: where,
      ...env,
    },
  })
}

function occupy(): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => resolve(server))
  })
}
