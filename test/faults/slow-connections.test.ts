import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createIssuer } from '../../packages/server/src/issuer/issuer.ts'
import { issuerServerOptions, protectServer } from '../../packages/server/src/issuer/http/server-options.ts'
import { createMemoryStore } from '../../packages/server/src/store/memory.ts'
import { openStand } from '../gateway/stand.ts'
import { ordersSecret, settings, trust } from '../issuer/fixture.ts'

// COUNTERSIGN_LONG_FAULTS=1: as many as fit; two descriptors each, since both ends are in this process.
const wanted = process.env['COUNTERSIGN_LONG_FAULTS'] === '1' ? 10_000 : 2_000
const most = Math.min(wanted, Math.floor(openFiles() / 2) - 300)
const head = 'POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n'

test(`${most} connections that send half a request: the issuer answers others meanwhile, and ends these`, async (t) => {
  const issuer = await createIssuer({
    settings: settings('http://issuer.example'),
    trust: trust(),
    store: createMemoryStore(),
  })
  const server = createServer(
    // A tenth of the usual patience.
    { ...issuerServerOptions, headersTimeout: 1500, requestTimeout: 2000, connectionsCheckingInterval: 250 },
    issuer.listener,
  )
  protectServer(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await issuer.close()
  })
  const { port } = server.address() as AddressInfo
  const memoryBefore = process.memoryUsage.rss()
  const slow = await openSlowly(t, port, [head, `${head}Content-Length: 100\r\n\r\ngrant_type=`])
  const answer = await fetch(`http://127.0.0.1:${port}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: 'orders',
      client_secret: ordersSecret,
    }),
  })
  assert.equal(answer.status, 200)
  const perConnection = (process.memoryUsage.rss() - memoryBefore) / most
  assert.ok(perConnection < 64 * 1024, `${Math.round(perConnection / 1024)} KiB a connection, both ends`)
  await slow.ended
  assert.ok(slow.received.has('HTTP/1.1 408 Request Timeout'), [...slow.received].join())
})

test(`${most} connections that send half a request: the gateway answers others meanwhile, and ends these`, async (t) => {
  const upstream = createServer((_, response) => response.end('ok'))
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const stand = await openStand(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, {
    limits: { requestHeadMs: 1500, clientStallMs: 1500 },
  })
  t.after(async () => {
    await stand.close()
    upstream.closeAllConnections()
    upstream.close()
  })
  const slow = await openSlowly(t, stand.port, [
    'GET /billing/health HTTP/1.1\r\nHost: x\r\n',
    'GET /billing/health HTTP/1.1\r\nHost: x\r\nX-Slow: a',
  ])
  const answer = await fetch(`http://127.0.0.1:${stand.port}/billing/invoices/7`, {
    headers: { Authorization: `Bearer ${stand.token()}` },
  })
  assert.equal(answer.status, 200)
  await slow.ended
  assert.ok(slow.received.has('HTTP/1.1 408 Request Timeout'), [...slow.received].join())
})

test('more slow connections than the process may have files open: it lives, and answers again when they are ended', async (t) => {
  const program = join(import.meta.dirname, 'lone-issuer.ts')
  const child = spawn(
    'sh',
    ['-c', 'ulimit -n 128; exec "$0" --conditions=source "$1"', process.execPath, program],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    },
  )
  t.after(() => child.kill('SIGKILL'))
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const port = Number(String(line))
  const slow = await openSlowly(t, port, [head], 400)
  await slow.ended
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`)
  assert.equal(answer.status, 200)
  assert.equal(child.exitCode, null)
})

/** Connections that send the beginning of a request and then nothing. `ended` when the server has closed all of them. */
async function openSlowly(t: TestContext, port: number, beginnings: readonly string[], count = most) {
  const received = new Set<string>()
  const sockets: Socket[] = []
  t.after(() => sockets.forEach((socket) => socket.destroy()))
  const ends: Promise<void>[] = []
  for (let index = 0; index < count; index++) {
    const socket = connect(port, '127.0.0.1')
    sockets.push(socket)
    socket.on('data', (chunk: Buffer) => received.add(chunk.toString('latin1').split('\r\n')[0]!))
    // Closed on what is half sent, a connection may be reset.
    socket.on('error', () => undefined)
    ends.push(new Promise((resolve) => void socket.once('close', () => resolve())))
    socket.write(beginnings[index % beginnings.length]!)
    // Not more at once than the kernel keeps waiting for us.
    if (index % 200 === 199) await Promise.race([once(socket, 'connect'), ends.at(-1)])
  }
  return { received, ended: Promise.all(ends) }
}

function openFiles(): number {
  const text = execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim()
  return text === 'unlimited' ? 100_000 : Number(text)
}
