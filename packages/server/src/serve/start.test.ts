import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { isProblem } from '@countersign/sdk/core'
import { freePort } from '../../../../test/machine/free-port.ts'
import { Pulse } from '../../../../test/machine/pulse.ts'
import { readTrust } from '../trust/read.ts'
import type { Trust } from '../trust/trust.ts'
import { startServers } from './start.ts'
import type { RunningServers } from './start.ts'

const upstream = createServer((request, response) => response.end(`upstream got ${request.url}`))
upstream.listen(0, '127.0.0.1')
await once(upstream, 'listening')
test.after(() => upstream.close())
const upstreamPort = (upstream.address() as AddressInfo).port

const secret = 'orders-secret-orders-secret-orders'
const file = `issuer: { url: http://localhost:8080, listen: 127.0.0.1:0, store: 'memory:' }
gateway: { listen: 127.0.0.1:0 }
services:
  billing:
    audience: https://billing.example
    roles: [reader, admin]
    upstream: http://127.0.0.1:${upstreamPort}
    at: /billing
    routes: { GET /health: open, GET /invoices: { roles: reader } }
clients:
  orders: { authenticate: { secret: { env: S } }, may: { billing: { roles: reader } } }
`

test('issuer and gateway from one file: a token from one opens the other, with no network between', async (t) => {
  const servers = await start(t)
  const token = await tokenFrom(servers)
  const answer = await ask(servers, '/billing/invoices', token)
  assert.deepEqual([answer.status, await answer.text()], [200, 'upstream got /invoices'])
  assert.equal((await ask(servers, '/billing/invoices')).status, 401)
})

test('decision endpoints for other proxies listen each at its own address, and nowhere after closing', async () => {
  const line =
    'gateway: { listen: 127.0.0.1:0, authz: { nginx: { listen: 127.0.0.1:0 }, envoyGrpc: { listen: 127.0.0.1:0 } } }'
  const servers = await startServers({
    trust: trustFrom(file.replace(/^gateway.*$/m, line)),
    drainMs: 200,
  })
  const { nginx, envoyGrpc } = servers.addresses.authz!
  assert.equal(new Set([nginx!.port, envoyGrpc!.port, servers.addresses.gateway!.port]).size, 3)
  const inquire = (): Promise<Response> =>
    fetch(`http://127.0.0.1:${nginx!.port}/authz`, {
      headers: {
        'X-Original-Method': 'GET',
        'X-Original-URI': '/billing/health',
        'X-Original-Host': 'api.example',
      },
    })
  assert.equal((await inquire()).status, 200)
  await servers.close()
  await assert.rejects(inquire())
})

describe('only one part', () => {
  test('the gateway alone listens at one address', async (t) => {
    const { addresses } = await start(t, { only: 'gateway' })
    assert.deepEqual(Object.keys(addresses), ['gateway'])
  })

  test('the issuer alone', async (t) => {
    const { addresses } = await start(t, { only: 'issuer' })
    assert.deepEqual(Object.keys(addresses), ['issuer'])
  })

  test('a part that the file does not have', async () => {
    const trust = trustFrom(file.replace(/^gateway.*\n/m, ''))
    await assert.rejects(
      startServers({ trust, only: 'gateway' }),
      problem('nothing-to-serve', 'f has no gateway section'),
    )
    const neither = trustFrom('services: { a: { audience: a, routes: { GET /: open } } }')
    await assert.rejects(startServers({ trust: neither }), problem('nothing-to-serve', 'f has neither'))
  })
})

test('what cannot start leaves nothing behind', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-start-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const database = join(folder, 'c.db')
  const first = await start(t, { only: 'gateway' })
  const { port } = first.addresses.gateway!
  const free = await freePort()
  const trust = trustFrom(
    file
      .replace("store: 'memory:'", `store: sqlite:${database}, keys: { seal: { env: S } }`)
      .replace('listen: 127.0.0.1:0', `listen: 127.0.0.1:${free}`)
      .replace('gateway: { listen: 127.0.0.1:0', `gateway: { listen: 127.0.0.1:${port}`),
  )
  await assert.rejects(
    startServers({ trust }),
    problem('port-taken', `gateway.listen: 127.0.0.1:${port} is taken`),
  )
  await assert.rejects(fetch(`http://127.0.0.1:${free}/livez`), 'the issuer still listens')
  // A store that is still open would keep its log file beside it.
  assert.ok(existsSync(database) && !existsSync(`${database}-wal`))
})

test('a request at hand is answered while the servers stop, and the port is free afterwards', async (t) => {
  let release = (): void => undefined
  const slow = createServer((_, response) => void (release = () => response.end('late')))
  slow.listen(0, '127.0.0.1')
  await once(slow, 'listening')
  t.after(() => slow.close())
  const trust = trustFrom(file.replace(String(upstreamPort), String((slow.address() as AddressInfo).port)))
  const servers = await startServers({ trust })
  const answer = ask(servers, '/billing/health')
  await once(slow, 'request')
  const closed = servers.close()
  assert.equal(servers.close(), closed)
  release()
  assert.equal(await (await answer).text(), 'late')
  const pulse = new Pulse(t)
  await closed
  assert.ok(pulse.runMs < 1_000)
  await assert.rejects(ask(servers, '/billing/health'))
})

test('while it is announced, readyz says no and requests are still served', async () => {
  const servers = await startServers({ trust: trustFrom(file) })
  const ready = async (): Promise<number[]> => [
    (await fetch(`http://127.0.0.1:${servers.addresses.issuer!.port}/readyz`)).status,
    (await fetch(`http://127.0.0.1:${servers.addresses.gateway!.port}/.well-known/countersign/readyz`))
      .status,
  ]
  assert.deepEqual(await ready(), [200, 200])
  // Long enough for three requests, also on a machine that is busy.
  const closed = servers.close({ announceMs: 3_000 })
  assert.deepEqual(await ready(), [503, 503])
  assert.equal((await ask(servers, '/billing/health')).status, 200)
  await closed
})

describe('another trust file', () => {
  test('counts from the next request on, for issuer and gateway', async (t) => {
    const servers = await start(t)
    const token = await tokenFrom(servers)
    const changed = file
      .replace('{ roles: reader }, ', '')
      .replace('GET /invoices: { roles: reader }', 'GET /invoices: { roles: admin }')
    assert.deepEqual(
      servers.replace(
        trustFrom(
          changed.replace('may: { billing: { roles: reader } }', 'may: { billing: { roles: admin } }'),
        ),
      ),
      [],
    )
    assert.equal((await ask(servers, '/billing/invoices', token)).status, 403)
    assert.equal((await ask(servers, '/billing/invoices', await tokenFrom(servers))).status, 200)
  })

  test('what waits for a restart is named', async (t) => {
    const servers = await start(t)
    assert.deepEqual(
      servers.replace(
        trustFrom(file.replace('gateway: { listen: 127.0.0.1:0', 'gateway: { listen: 127.0.0.1:1')),
      ),
      ['gateway.listen'],
    )
  })
})

test('a demo may answer before the issuer', async (t) => {
  const servers = await start(t, {
    beforeIssuer: (request, response) => {
      if (request.url !== '/') return false
      response.end('mine')
      return true
    },
  })
  const { port } = servers.addresses.issuer!
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'mine')
  assert.equal((await fetch(`http://127.0.0.1:${port}/livez`)).status, 200)
})

test('a misspelt option is refused', async () => {
  await assert.rejects(
    startServers({ trust: trustFrom(file), ...{ onyl: 'issuer' } }),
    problem('option-unknown', 'onyl'),
  )
})

async function start(
  t: { after(fn: () => Promise<void>): void },
  options: Partial<Parameters<typeof startServers>[0]> = {},
) {
  const servers = await startServers({ trust: trustFrom(file), ...options })
  t.after(() => servers.close())
  return servers
}

async function tokenFrom({ addresses }: RunningServers): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${addresses.issuer!.port}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`orders:${secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: 'https://billing.example' }),
  })
  const { access_token: token } = (await answer.json()) as { access_token?: string }
  return token ?? assert.fail(`no token: ${answer.status}`)
}

function ask({ addresses }: RunningServers, path: string, token?: string): Promise<Response> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return fetch(`http://127.0.0.1:${addresses.gateway!.port}${path}`, { headers })
}

function trustFrom(text: string): Trust {
  const reading = readTrust(text, { file: 'f', env: { S: secret }, readFile: () => '' })
  return reading.kind === 'trust' ? reading.trust : assert.fail(JSON.stringify(reading.mistakes))
}

function problem(code: string, text: string): (error: unknown) => boolean {
  return (error) => isProblem(error) && error.code === code && error.message.includes(text)
}
