import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { ClientConnection } from './client-connection.ts'
import { readLimits } from './limits.ts'
import type { GatewayLimits } from './limits.ts'
import { get, listenOn, RawClient, until } from '../../../../../test/gateway/stand.ts'

test('requests are served one after the other', async (t) => {
  const { port, turns } = await open(t)
  const client = new RawClient(port).send(get('/1') + get('/2') + get('/3'))
  await until(() => turns.length === 1, 'the first request')
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.deepEqual(
    turns.map(({ request }) => request.url),
    ['/1'],
  )
  for (const url of ['/1', '/2', '/3']) {
    await until(() => turns.at(-1)?.request.url === url, `the turn of ${url}`)
    finish(turns.at(-1)!)
    assert.equal((await client.reply()).body, url)
  }
  client.destroy()
})

test('behind a reply after which the connection closes nothing is served', async (t) => {
  const { port, turns } = await open(t)
  const client = new RawClient(port).send(get('/1') + get('/2'))
  await until(() => turns.length === 1, 'the first request')
  turns[0]!.response.shouldKeepAlive = false
  finish(turns[0]!)
  assert.equal((await client.reply()).body, '/1')
  assert.equal(await client.end(), '')
  assert.equal(turns.length, 1)
})

test('a client that leaves ends the turn, and those waiting for theirs', async (t) => {
  const { port, turns } = await open(t)
  const client = new RawClient(port).send(get('/1') + get('/2'))
  await until(() => turns.length === 1, 'the first request')
  client.destroy()
  await until(() => turns[0]!.aborted, 'the turn is aborted')
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(turns.length, 1)
})

test('a client that leaves in the turn that brought its request is not served', async (t) => {
  const { port, turns } = await open(t, {}, (connection) => connection.socket.destroy())
  await new RawClient(port).send(get('/1')).end()
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(turns.length, 0)
})

test('a flood of requests behind an unanswered one is cut off', async (t) => {
  const { port, turns } = await open(t)
  const client = new RawClient(port).send(get('/x').repeat(120))
  await client.end()
  // The first one is served if the others come in another piece.
  assert.ok(turns.length <= 1, String(turns.length))
})

test('a reply to half a request arrives, and the rest is read off so that the connection can go on', async (t) => {
  const { port, turns } = await open(t, { unreadMs: 60_000 })
  const client = new RawClient(port).send(post('/1', 100_000) + 'x'.repeat(50_000))
  await until(() => turns.length === 1, 'the request')
  finish(turns[0]!, true)
  assert.equal((await client.reply()).body, '/1')
  client.send('x'.repeat(50_000) + get('/2'))
  await until(() => turns.length === 2, 'the next request')
  finish(turns[1]!)
  assert.equal((await client.reply()).body, '/2')
  client.destroy()
})

test('where the connection closes anyway, the reply is not lost on unread bytes', async (t) => {
  const { port, turns } = await open(t, { unreadMs: 60_000 })
  const client = new RawClient(port).send(post('/1', 1_000_000, 'Connection: close') + 'x'.repeat(300_000))
  await until(() => turns.length === 1, 'the request')
  finish(turns[0]!, true)
  assert.equal((await client.reply()).body, '/1')
  assert.equal(client.closed, false)
  client.send('x'.repeat(700_000))
  await client.end()
  assert.equal(client.reset, false)
})

test('a rest that is too long, or does not come, is not waited for', async (t) => {
  for (const limits of [{ unreadBytes: 1_000 }, { unreadMs: 40 }]) {
    const { port, turns } = await open(t, limits)
    const client = new RawClient(port).send(post('/1', 1_000_000) + 'x'.repeat(2_000))
    await until(() => turns.length === 1, 'the request')
    finish(turns[0]!, true)
    assert.equal((await client.reply()).body, '/1')
    await client.end()
  }
})

test('cut off, the client sees a reset and not an end', async (t) => {
  const { port, turns } = await open(t)
  const client = new RawClient(port).send(get('/1'))
  await until(() => turns.length === 1, 'the request')
  turns[0]!.response.write('part')
  await until(() => client.received.includes('part'), 'part of the reply')
  turns[0]!.connection.cut()
  await client.end()
  assert.equal(client.reset, true)
})

test('a reply that its client does not take is not kept for ever', async (t) => {
  const { port, turns } = await open(t, { clientStallMs: 50 })
  const client = new RawClient(port).send(get('/1'))
  await until(() => turns.length === 1, 'the request')
  client.socket.pause()
  const { connection, request, response } = turns[0]!
  // More than the kernels on the way hold.
  response.end('x'.repeat(50_000_000))
  connection.endReply(request, response, false)
  connection.end()
  await until(() => connection.socket.destroyed, 'let go of')
})

test('what was slow once does not end the next request', async (t) => {
  const { port, turns } = await open(t, { clientStallMs: 2_000 })
  const client = new RawClient(port).send(get('/1') + get('/2'))
  await until(() => turns.length === 1, 'the request')
  const { connection, response } = turns[0]!
  client.socket.pause()
  response.end('x'.repeat(20_000_000))
  connection.end()
  client.socket.resume()
  await until(() => turns.length === 2, 'the next request')
  await new Promise((resolve) => setTimeout(resolve, 2_400))
  finish(turns[1]!)
  client.received = client.received.slice(-10)
  await until(() => client.received.endsWith('/2'), 'its reply')
  client.destroy()
})

type Served = {
  readonly connection: ClientConnection
  readonly request: IncomingMessage
  readonly response: ServerResponse
  aborted: boolean
}

/** Replies with the target, and ends the turn. */
function finish({ connection, request, response }: Served, unread = false): void {
  const body = request.url ?? ''
  response.writeHead(200, ['Content-Length', String(body.length)])
  response.write(body)
  connection.endReply(request, response, unread)
  connection.end()
}

async function open(
  t: TestContext,
  limits: Partial<GatewayLimits> = {},
  taken: (connection: ClientConnection) => void = () => undefined,
): Promise<{ port: number; turns: Served[] }> {
  const turns: Served[] = []
  const connections = new WeakMap<Socket, ClientConnection>()
  const serve = (connection: ClientConnection, request: IncomingMessage, response: ServerResponse): void => {
    const served: Served = { connection, request, response, aborted: false }
    turns.push(served)
    connection.begin({ replying: false, abort: () => void (served.aborted = true) })
  }
  const server = createServer((request, response) => {
    const connection = connections.get(request.socket)!
    connection.take(response, () => serve(connection, request, response))
    taken(connection)
  })
  server.on('connection', (socket: Socket) =>
    connections.set(socket, new ClientConnection(socket, readLimits(limits))),
  )
  const port = await listenOn(server)
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port, turns }
}

function post(target: string, length: number, ...headers: string[]): string {
  return [`POST ${target} HTTP/1.1`, 'Host: a', `Content-Length: ${length}`, ...headers, '', ''].join('\r\n')
}
