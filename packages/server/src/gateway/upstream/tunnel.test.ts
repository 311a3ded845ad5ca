import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { createKeySet, createRevocations, generateSigningKey, verificationKey } from '@countersign/sdk/jwt'
import {
  get,
  listenOn,
  openStand,
  openUpstream,
  RawClient,
  standIssuer,
  until,
} from '../../../../../test/gateway/stand.ts'
import { openTlsStand } from '../../../../../test/gateway/tls-stand.ts'
import type { Stand, StandOptions } from '../../../../../test/gateway/stand.ts'
import { silentLog } from '../../log.ts'
import type { Log, LogFields } from '../../log.ts'
import { createMetrics } from '../../metrics/registry.ts'
import type { Service, WebSocketSettings } from '../../trust/trust.ts'
import { acceptOf, handshakeFault } from './tunnel.ts'

const key = 'dGhlIHNhbXBsZSBub25jZQ=='

test('what is answered to a key, by the example of RFC 6455', () => {
  assert.equal(acceptOf(key), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
})

test('a WebSocket passes both ways, whole and in order', async (t) => {
  const { stand, server } = await openEcho(t)
  const socket = connect(stand, stand.token())
  await once(socket, 'open')
  const sent = Array.from({ length: 40 }, (_, index) => Buffer.alloc(index * 4_000, index))
  const got: Buffer[] = []
  socket.on('message', (message: Buffer) => got.push(message))
  for (const message of sent) socket.send(message)
  await until(() => got.length === sent.length, 'all have come back')
  assert.ok(Buffer.concat(got).equals(Buffer.concat(sent)))
  assert.match(server.paths[0]!, /^\/live\?room=1 countersign-subject=orders$/)
  socket.close(4_000, 'done')
  const [code] = (await once(socket, 'close')) as [number]
  assert.equal(code, 4_000)
  await until(() => stand.gateway.server.listening && server.open() === 0, 'nothing is left')
})

test('a WebSocket is one request, under way until it ends, and its length is no duration', async (t) => {
  const metrics = createMetrics()
  const { stand } = await openEcho(t, {}, { gateway: { metrics } })
  const socket = connect(stand, stand.token())
  await once(socket, 'open')
  assert.match(metrics.text(), /^countersign_gateway_active_requests 1$/m)
  socket.close()
  await until(() => metrics.text().includes('countersign_gateway_active_requests 0\n'), 'it is over')
  const series = 'service="billing",route="GET /live"'
  assert.ok(metrics.text().includes(`requests_total{${series},status="1xx",reason="allowed"} 1\n`))
  assert.ok(metrics.text().includes(`request_duration_seconds_count{${series}} 0\n`))
})

test('who does not read is not written to', async (t) => {
  const { stand, server } = await openEcho(t)
  const client = await handshake(stand)
  client.socket.pause()
  let held = 0
  await until(() => {
    for (const peer of server.sockets.clients) {
      peer.send(Buffer.alloc(1_000_000))
      held = peer.bufferedAmount
    }
    return held > 20_000_000
  }, 'the service has to wait')
  client.destroy()
  await until(() => server.open() === 0, 'both ends are gone')
})

const refused: Readonly<Record<string, readonly [request: readonly string[], status: number]>> = {
  'without a token': [[], 401],
  'on a route that is not named': [['/billing/echo'], 501],
  'without a key': [['-Sec-WebSocket-Key'], 400],
  'of another version': [['Sec-WebSocket-Version: 12'], 400],
  'with bytes behind it': [['body'], 400],
}
for (const [what, [changes, status]] of Object.entries(refused)) {
  test(`a handshake ${what} is refused, and nothing of it arrives`, async (t) => {
    const upstream = await openUpstream()
    const stand = await openStand(upstream.url, { service })
    t.after(() => Promise.all([stand.close(), upstream.close()]))
    const [change = ''] = changes
    const bearing = what === 'without a token' ? [] : [`Authorization: Bearer ${stand.token()}`]
    const lines = [
      ...bearing,
      'Connection: Upgrade',
      'Upgrade: websocket',
      ...(change.startsWith('-') ? [] : [`Sec-WebSocket-Key: ${key}`]),
      change.includes(': 12') ? change : 'Sec-WebSocket-Version: 13',
    ]
    const text = get(change.startsWith('/') ? change : '/billing/live', ...lines)
    const client = new RawClient(stand.port).send(text + (change === 'body' ? get('/billing/health') : ''))
    assert.equal((await client.reply()).status, status)
    client.send(get('/billing/health'))
    assert.equal(await client.end(), '')
    assert.deepEqual(upstream.requests, [])
  })
}

const accept = acceptOf(key)
const yes = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`
const answers: Readonly<Record<string, readonly [reply: string, status: number]>> = {
  'with 200': ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', 200],
  'with 403': ['HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n', 403],
  'with another hash': [yes.replace(accept, acceptOf('other')), 502],
  'with another protocol': [yes.replace('websocket', 'h2c'), 502],
  'without Connection': [yes.replace('Connection: Upgrade\r\n', ''), 502],
  'with nonsense': ['+OK ready\r\n\r\n', 502],
  'not at all': ['', 504],
}
for (const [what, [reply, status]] of Object.entries(answers)) {
  test(`a service that answers ${what} gets nothing more of the client`, async (t) => {
    const seen: string[] = []
    const upstream = await openUpstream((socket) => {
      socket.on('data', (piece: string) => seen.push(piece))
      socket.write(reply)
    })
    const stand = await openStand(upstream.url, {
      service,
      limits: { replyHeadMs: status === 504 ? 400 : 60_000 },
    })
    t.after(() => Promise.all([stand.close(), upstream.close()]))
    const client = new RawClient(stand.port).send(upgrade(stand))
    await until(() => upstream.requests.length === 1, 'the handshake arrives')
    client.send(get('/billing/health'))
    assert.equal((await client.reply()).status, status)
    assert.equal(await client.end(), '')
    assert.deepEqual([seen, upstream.requests.length], [[], 1])
    assert.match(upstream.requests[0]!, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/)
  })
}

test('a client that resets its connection takes nobody along', async (t) => {
  const held: (() => void)[] = []
  const upstream = await openUpstream((socket) => void held.push(() => socket.write(yes)))
  const stand = await openStand(upstream.url, { service })
  t.after(() => Promise.all([stand.close(), upstream.close()]))
  for (const when of ['before the answer', 'after it'] as const) {
    const client = new RawClient(stand.port).send(upgrade(stand))
    await until(() => held.length === 1, 'the handshake arrives')
    if (when === 'after it') {
      held[0]!()
      assert.equal((await client.reply()).status, 101)
    }
    client.socket.resetAndDestroy()
    held.pop()!()
    await until(() => upstream.sockets.size === 0, 'the service is let go of')
  }
})

test('over TLS as well', async (t) => {
  const { stand: plain } = await openEcho(t)
  const target = plain.trust.services.get('billing')!.upstream!
  const stand = await openTlsStand(t, target, { service })
  const socket = new WebSocket(`wss://localhost:${stand.port}/billing/live`, {
    ca: stand.ca,
    headers: { authorization: `Bearer ${stand.token()}` },
  })
  await once(socket, 'open')
  socket.send('hello')
  const [message] = (await once(socket, 'message')) as [Buffer]
  assert.equal(message.toString(), 'hello')
  socket.close()
  await once(socket, 'close')
})

test('it ends with its token, unless said otherwise', async (t) => {
  const exp = Math.floor(Date.now() / 1000) + 100
  // A second before its end, however long everybody takes.
  const clock = (): number => exp * 1000 - 1_000
  const witness = watch()
  const { stand } = await openEcho(t, {}, { gateway: { ...witness.options, clock } })
  const client = await handshake(stand, stand.token({ exp }))
  const outliving = await openEcho(t, { outlivesToken: true }, { gateway: { clock } })
  const other = await handshake(outliving.stand, outliving.stand.token({ exp }))
  await client.end()
  assert.equal(other.closed, false)
  other.destroy()
  witness.says('token-expired', stand)
})

test('it ends when its token is revoked, though it may outlive it', async (t) => {
  const key = generateSigningKey('ES256', { keyId: 'test-1' })
  const keySet = createKeySet([verificationKey(key)])
  const revocations = createRevocations()
  const ownIssuer = { issuer: standIssuer, keySet, revocationsFor: () => revocations }
  const witness = watch()
  const { stand, server } = await openEcho(
    t,
    { outlivesToken: true },
    { key, gateway: { ownIssuer, ...witness.options }, limits: { tunnelCheckMs: 20 } },
  )
  const client = await handshake(stand, stand.token({ jti: 'stolen' }))
  const other = await handshake(stand)
  revocations.revoke({ issuer: standIssuer, tokenId: 'stolen', untilSeconds: Infinity })
  await client.end()
  await until(() => server.open() === 1, 'the service is let go of')
  assert.equal(other.closed, false)
  witness.says('token-revoked', stand, 'stolen')
  other.destroy()
  await until(() => server.open() === 0, 'who left is gone')
  assert.equal(witness.lines.length, 1, 'who leaves was not closed')
})

test('it ends when nobody can say any more whether its token is revoked', async (t) => {
  const key = generateSigningKey('ES256', { keyId: 'test-1' })
  const keySet = createKeySet([verificationKey(key)])
  let hasNews = true
  const read = async (): Promise<[]> => {
    if (!hasNews) throw new Error('nobody there')
    return []
  }
  const source = { name: standIssuer, read, everySeconds: 1, staleAfterSeconds: 2 }
  const ownIssuer = {
    issuer: standIssuer,
    keySet,
    revocationsFor: () => createRevocations({ sources: [source] }),
  }
  let nowMs = Date.now()
  const witness = watch()
  const { stand } = await openEcho(
    t,
    {},
    {
      key,
      gateway: { ownIssuer, clock: () => nowMs, ...witness.options },
      limits: { tunnelCheckMs: 20 },
    },
  )
  const client = await handshake(stand)
  hasNews = false
  nowMs += 60_000
  await client.end()
  witness.says('keys-unavailable', stand)
})

test('it ends when nobody says anything', async (t) => {
  const witness = watch()
  const { stand, server } = await openEcho(t, { idleSeconds: 0.05 }, { gateway: witness.options })
  const client = await handshake(stand)
  await client.end()
  await until(() => server.open() === 0, 'the service is let go of')
  witness.says('idle', stand)
})

test('no more at once than are allowed', async (t) => {
  const { stand, server } = await openEcho(t, { connections: 1 })
  const first = await handshake(stand)
  const second = new RawClient(stand.port).send(upgrade(stand))
  const reply = await second.reply()
  assert.deepEqual([reply.status, reply.headers['retry-after']], [503, '1'])
  first.destroy()
  await until(() => server.open() === 0, 'the first is gone')
  await handshake(stand)
})

test('closing, the gateway lets it go on for as long as anything else', async (t) => {
  const { stand, server } = await openEcho(t, {}, { limits: { drainMs: 80 } })
  const client = await handshake(stand)
  const began = performance.now()
  await stand.gateway.close()
  assert.ok(performance.now() - began >= 70)
  await client.end()
  await until(() => server.open() === 0, 'the service is let go of')
})

test('with a cookie for a token it must come from a page of the same host', () => {
  const headers = ['Host', 'a.example', 'Sec-WebSocket-Key', key, 'Sec-WebSocket-Version', '13']
  assert.equal(handshakeFault(headers, false), undefined)
  assert.equal(handshakeFault([...headers, 'Origin', 'https://a.example'], true), undefined)
  const elsewhere: string[][] = [[], ['Origin', 'https://evil.example'], ['Origin', 'null']]
  for (const origin of elsewhere) {
    assert.equal(typeof handshakeFault([...headers, ...origin], true), 'string', origin.join())
  }
})

const settings: WebSocketSettings = {
  routes: ['GET /live'],
  connections: 10,
  idleSeconds: 60,
  outlivesToken: false,
}
const service: Partial<Service> = {
  websocket: settings,
  routes: [
    { method: 'GET', template: '/live', requirement: { roles: 'reader' }, line: 1 },
    { method: 'GET', template: '/echo', requirement: { roles: 'reader' }, line: 2 },
    { method: 'GET', template: '/health', requirement: 'open', line: 3 },
  ],
}

function upgrade(stand: Stand, token = stand.token()): string {
  return get(
    '/billing/live',
    `Authorization: Bearer ${token}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    `Sec-WebSocket-Key: ${key}`,
    'Sec-WebSocket-Version: 13',
  )
}

/** What is said of a WebSocket that the gateway closes: a line, a count, and a record that joins the handshake's. */
function watch() {
  const metrics = createMetrics()
  const lines: (readonly [event: string, fields: LogFields | undefined])[] = []
  const log: Log = { ...silentLog, info: (event, fields) => void lines.push([event, fields]) }
  return {
    options: { metrics, log },
    lines,
    says(reason: string, { decisions }: Stand, tokenId = 'token-1'): void {
      const { requestId, outcome } = decisions[0]!
      assert.equal(outcome, 'allow')
      assert.deepEqual(lines, [
        ['websocket closed', { service: 'billing', route: 'GET /live', reason, requestId }],
      ])
      const closed = /^countersign_gateway_websockets_closed_total.*$/m.exec(metrics.text())
      assert.match(String(closed), new RegExp(`service="billing",reason="${reason}"} 1$`))
      const denied = decisions.filter((record) => record.outcome === 'deny')
      if (reason === 'idle') return assert.deepEqual(denied, [])
      assert.equal(denied.length, 1)
      const { path, line, status, clientId, keyId, detail = '', ...record } = denied[0]!
      assert.deepEqual([record.requestId, record.reason, record.tokenId], [requestId, reason, tokenId])
      assert.deepEqual([path, line, status, clientId, keyId], ['/billing/live', 1, 101, 'orders', 'test-1'])
      assert.match(detail, /^the WebSocket was closed: ./)
    },
  }
}

/** A client whose handshake was agreed to. */
async function handshake(stand: Stand, token?: string): Promise<RawClient> {
  const client = new RawClient(stand.port).send(upgrade(stand, token))
  const reply = await client.reply()
  assert.deepEqual([reply.status, reply.headers['sec-websocket-accept']], [101, accept])
  return client
}

function connect(stand: Stand, token: string): WebSocket {
  return new WebSocket(`ws://127.0.0.1:${stand.port}/billing/live?room=1`, {
    headers: { authorization: `Bearer ${token}` },
  })
}

/** A gateway before a real WebSocket server that sends back what it gets. */
async function openEcho(
  t: TestContext,
  changes: Partial<WebSocketSettings> = {},
  options: StandOptions = {},
): Promise<{ stand: Stand; server: { paths: string[]; sockets: WebSocketServer; open: () => number } }> {
  const http: Server = createServer()
  const sockets = new WebSocketServer({ server: http })
  const paths: string[] = []
  sockets.on('connection', (peer, { url, headers }) => {
    paths.push(`${url} countersign-subject=${String(headers['countersign-subject'])}`)
    peer.on('error', () => undefined)
    peer.on('message', (message) => peer.send(message as Buffer))
  })
  const stand = await openStand(`http://127.0.0.1:${await listenOn(http)}`, {
    ...options,
    service: { ...service, websocket: { ...settings, ...changes } },
  })
  t.after(async () => {
    for (const peer of sockets.clients) peer.terminate()
    await stand.close()
    http.closeAllConnections()
    http.close()
  })
  return { stand, server: { paths, sockets, open: () => sockets.clients.size } }
}
