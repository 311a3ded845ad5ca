import assert from 'node:assert/strict'
import { once } from 'node:events'
import { constants, createServer } from 'node:http2'
import type { ClientHttp2Stream, Http2Server, ServerHttp2Stream } from 'node:http2'
import { connect, createServer as createNetServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Http2Upstream } from './http2-upstream.ts'
import { readLimits } from '../front/limits.ts'
import { readOrigin } from './upstream-origin.ts'
import { until } from '../../../../../test/gateway/stand.ts'

test('streams share a connection, which goes when it has been idle', async (t) => {
  const server: Http2Server = createServer()
  server.on('stream', (stream: ServerHttp2Stream) => stream.respond({ ':status': 200 }, { endStream: true }))
  const upstream = await open(t, server, { upstreamKeepAliveMs: 60 })
  for (let i = 0; i < 3; i++) {
    const stream = upstream.request({ ':path': '/' }, true).resume()
    await once(stream, 'close')
  }
  assert.deepEqual([upstream.connections, upstream.open], [1, 0])
  await until(() => upstream.connections === 0, 'it is gone')
})

for (const [end, how] of Object.entries<(held: ServerHttp2Stream, ours: ClientHttp2Stream) => void>({
  answered: (held) => held.respond({ ':status': 200 }, { endStream: true }),
  cancelled: (_, ours) => ours.close(constants.NGHTTP2_CANCEL),
  'reset by the target': (held) => held.close(constants.NGHTTP2_INTERNAL_ERROR),
})) {
  test(`a connection that a quiet stream has outlasted goes all the same, once that is ${end}`, async (t) => {
    const held: ServerHttp2Stream[] = []
    const server: Http2Server = createServer()
    server.on('stream', (stream: ServerHttp2Stream) => held.push(stream.on('error', () => undefined)))
    const upstream = await open(t, server, { upstreamKeepAliveMs: 30 })
    const stream = upstream.request({ ':path': '/' }, true).resume()
    stream.on('error', () => undefined)
    await until(() => held.length === 1, 'it arrives')
    await new Promise((resolve) => setTimeout(resolve, 120))
    assert.equal(upstream.connections, 1)
    how(held[0]!, stream)
    await until(() => upstream.connections === 0, 'it is gone')
  })
}

test('one that has said goodbye keeps no other from going', async (t) => {
  const held: ServerHttp2Stream[] = []
  const server: Http2Server = createServer()
  server.on('stream', (stream: ServerHttp2Stream) => held.push(stream))
  const upstream = await open(t, server, { upstreamKeepAliveMs: 30 })
  const first = upstream.request({ ':path': '/' }, true).on('error', () => undefined)
  await until(() => held.length === 1, 'it arrives')
  const goodbye = once(first.session!, 'goaway')
  held[0]!.session!.goaway()
  await goodbye
  upstream.request({ ':path': '/' }, true).resume()
  await until(() => held.length === 2, 'the other one')
  assert.equal(upstream.connections, 2)
  held[1]!.respond({ ':status': 200 }, { endStream: true })
  await until(() => upstream.connections === 1, 'the other one is gone')
  assert.equal(upstream.open, 1)
})

test('why a stream came to nothing', async (t) => {
  const gone = createNetServer()
  const upstream = await open(t, gone)
  await new Promise((resolve) => gone.close(resolve))
  const stream = upstream.request({ ':path': '/' }, true).on('error', () => undefined)
  await new Promise<void>((resolve) => stream.on('close', () => resolve()))
  assert.equal(upstream.failureOf(stream), 'unreachable')
  assert.deepEqual([upstream.connections, upstream.open], [0, 0])
})

test('a connection that is in doubt and does not answer is given up, and one that does is kept', async (t) => {
  const server: Http2Server = createServer()
  const alive = await open(t, server, { connectMs: 1_500 })
  const stream = alive.request({ ':path': '/' }, true).on('error', () => undefined)
  await once(server, 'stream')
  alive.doubt(stream)
  await new Promise((resolve) => setTimeout(resolve, 1_800))
  assert.equal(alive.connections, 1)

  // It takes the connection, agrees on nothing, and says no more: settings alone, as any server sends them first.
  const silent = createNetServer((socket) => {
    socket.on('error', () => undefined)
    socket.write(Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0))
  })
  const dead = await open(t, silent, { connectMs: 60 })
  const lost = dead.request({ ':path': '/' }, true).on('error', () => undefined)
  await new Promise((resolve) => setTimeout(resolve, 30))
  dead.doubt(lost)
  await until(() => dead.connections === 0, 'it is given up')
})

test('retired, a connection ends with its last stream', async (t) => {
  const held: ServerHttp2Stream[] = []
  const server: Http2Server = createServer()
  server.on('stream', (stream: ServerHttp2Stream) => held.push(stream))
  const upstream = await open(t, server)
  const stream = upstream.request({ ':path': '/' }, true).resume()
  await until(() => held.length === 1, 'it arrives')
  upstream.retire()
  assert.equal(upstream.connections, 1)
  held[0]!.respond({ ':status': 200 }, { endStream: true })
  await once(stream, 'close')
  await until(() => upstream.connections === 0, 'it is gone')
})

async function open(
  t: TestContext,
  server: Server | Http2Server,
  limits: Parameters<typeof readLimits>[0] = {},
): Promise<Http2Upstream> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const upstream = new Http2Upstream(readOrigin(`http://127.0.0.1:${port}`, 'test'), readLimits(limits), () =>
    connect(port, '127.0.0.1'),
  )
  t.after(() => {
    upstream.close()
    if (server.listening) server.close()
  })
  return upstream
}
