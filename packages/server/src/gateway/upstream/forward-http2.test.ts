import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerHttp2Stream } from 'node:http2'
import { createServer as createTcpServer } from 'node:net'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { ask, bearer, get, listenOn, poolOf, RawClient, until } from '../../../../../test/gateway/stand.ts'
import { openH2c, openPlain } from '../../../../../test/gateway/h2c-stand.ts'
import { askStream, openSession, openTlsStand } from '../../../../../test/gateway/tls-stand.ts'
import { silentLog } from '../../log.ts'
import type { LogFields } from '../../log.ts'
import type { Route, Service } from '../../trust/trust.ts'

test('gRPC: a call and its answer, with metadata both ways', async (t) => {
  const { client, metadata } = await openGrpc(t)
  const { reply, trailers, initial } = await unary(client, 'Echo', 'hello', metadata)
  assert.equal(reply, 'hello of orders')
  assert.equal(initial?.get('x-initial')[0], 'yes')
  assert.equal(trailers?.get('x-trailer')[0], 'yes')
})

test('gRPC: an error of the service is the error of the client', async (t) => {
  const { client, metadata } = await openGrpc(t)
  const { error } = await unary(client, 'Fail', 'hello', metadata)
  assert.deepEqual([error?.code, error?.details], [grpc.status.FAILED_PRECONDITION, 'not füll'])
  assert.equal(error?.metadata.get('x-why')[0], 'so')
})

test('gRPC: both sides talk at once, message by message', async (t) => {
  const { client, metadata } = await openGrpc(t)
  const call = client.makeBidiStreamRequest('/test.Echo/Chat', encode, decode, metadata)
  const got: string[] = []
  call.on('data', (text: string) => got.push(text))
  call.on('error', () => undefined)
  for (let i = 0; i < 20; i++) {
    call.write(`${i}`)
    // Not sent before the answer to the one before has come: nothing is held back on the way.
    await until(() => got.length === i + 1, 'the answer')
  }
  const ended = once(call, 'status') as Promise<[grpc.StatusObject]>
  call.end()
  assert.equal((await ended)[0].code, grpc.status.OK)
  assert.deepEqual(got.slice(0, 2), ['0', '1'])
})

test('gRPC: large messages, whole', async (t) => {
  const { client, metadata } = await openGrpc(t)
  const text = 'x'.repeat(3_000_000)
  assert.equal((await unary(client, 'Echo', text, metadata)).reply?.length, text.length + ' of orders'.length)
})

test('a body above the limit is 413, and the service sees it broken off', async (t) => {
  const { client, metadata, server } = await openGrpc(t, { bodyLimitBytes: 1_000_000 })
  const { error } = await unary(client, 'Echo', 'x'.repeat(3_000_000), metadata)
  assert.notEqual(error?.code ?? grpc.status.OK, grpc.status.OK)
  assert.equal(server.calls(), 0)
  assert.equal((await unary(client, 'Echo', 'hello', metadata)).reply, 'hello of orders')
})

for (const status of ['099', '000', '600', '999']) {
  test(`a target that answers with ${status} is 502, and takes nobody else down`, async (t) => {
    const target = createTcpServer((socket) => answerRaw(socket, status))
    const url = `http://127.0.0.1:${await listenOn(target)}`
    t.after(() => target.close())
    const stand = await openTlsStand(t, url, { service: poolOf([url], { protocol: 'h2' }) })
    const session = openSession(t, stand)
    assert.equal((await askStream(session, { ':path': '/billing/health' })).status, 502)
    assert.equal((await askStream(session, { ':path': '/nobody' })).status, 404)
  })
}

test('gRPC: a client that gives up is known to the service', async (t) => {
  const { client, metadata, server } = await openGrpc(t)
  const call = client.makeBidiStreamRequest('/test.Echo/Chat', encode, decode, metadata)
  call.on('error', () => undefined)
  call.write('hello')
  await once(call, 'data')
  call.cancel()
  await until(() => server.cancelled() === 1, 'the service is told')
})

const refusals: Readonly<
  Record<string, readonly [method: string, token: 'none' | 'bad' | 'good', code: grpc.status]>
> = {
  'without a token': ['Echo', 'none', grpc.status.UNAUTHENTICATED],
  'with a bad token': ['Echo', 'bad', grpc.status.UNAUTHENTICATED],
  'without the role': ['Admin', 'good', grpc.status.PERMISSION_DENIED],
  'of a method that no route is for': ['Other', 'good', grpc.status.UNIMPLEMENTED],
}
for (const [what, [method, token, code]] of Object.entries(refusals)) {
  test(`gRPC: a call ${what} is refused by status, and does not arrive`, async (t) => {
    const { client, metadata, server } = await openGrpc(t)
    const given = new grpc.Metadata()
    if (token === 'bad') given.set('authorization', 'Bearer x')
    if (token === 'good') given.set('authorization', String(metadata.get('authorization')[0]))
    const { error } = await unary(client, method, 'hello', given)
    assert.equal(error?.code, code)
    if (token === 'none') assert.equal(error?.details, 'No Authorization Token provided')
    assert.equal(server.calls(), 0)
  })
}

test('gRPC: a service that is gone is unavailable', async (t) => {
  const { client, metadata, server } = await openGrpc(t)
  server.stop()
  const { error } = await unary(client, 'Echo', 'hello', metadata)
  assert.equal(error?.code, grpc.status.UNAVAILABLE)
})

test('a service of HTTP/2 serves clients of HTTP/1.1 as well, which get no trailers', async (t) => {
  const { stand } = await openPlain(t, (stream) => {
    stream.respond({ ':status': 200, 'x-a': ['1', '2'] }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-late': 'yes' }))
    stream.end('hello')
  })
  const reply = await ask(stand.port, get('/billing/invoices/7', bearer(stand.token())))
  assert.deepEqual([reply.status, reply.body, reply.headers['x-a']], [200, 'hello', '1\n2'])
})

test('what the service sees: our headers, te: trailers, and nothing of a connection', async (t) => {
  let seen: Record<string, unknown> = {}
  const { stand } = await openPlain(t, (stream, headers) => {
    seen = headers
    stream.respond({ ':status': 204 }, { endStream: true })
  })
  const authorization = bearer(stand.token())
  await ask(stand.port, get('/billing/invoices/7?q=1', authorization, 'Connection: keep-alive', 'TE: gzip'))
  assert.equal(seen[':path'], '/invoices/7?q=1')
  assert.equal(seen[':authority'], stand.authority)
  assert.equal(seen['te'], 'trailers')
  assert.equal(seen['countersign-subject'], 'orders')
  assert.equal(seen['connection'], undefined)
})

test('what the gateway has to say in a reply stands there as well', async (t) => {
  const origin = 'https://app.acme.example'
  const cors = { origins: [origin], headers: [], expose: [], credentials: false, maxAgeSeconds: 60 }
  const { stand } = await openPlain(t, (stream) => stream.respond({ ':status': 204 }, { endStream: true }), {
    service: { cors },
  })
  const reply = await ask(stand.port, get('/billing/health', `Origin: ${origin}`))
  assert.equal(reply.headers['access-control-allow-origin'], origin)
})

test('no answer in time', async (t) => {
  const { stand } = await openPlain(t, () => undefined, { limits: { replyHeadMs: 60 } })
  assert.equal((await ask(stand.port, get('/billing/health'))).status, 504)
})

test('a service that takes its time for an upload is no fault of its client', async (t) => {
  const sent: ServerHttp2Stream[] = []
  const { stand } = await openPlain(t, (stream) => void sent.push(stream), {
    limits: { clientStallMs: 1_500 },
  })
  const client = new RawClient(stand.port)
  client.send('POST /billing/open HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na')
  await until(() => sent.length === 1, 'the upload has begun')
  client.send('b')
  await once(sent[0]!.resume(), 'end')
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  sent[0]!.respond({ ':status': 200 })
  sent[0]!.end('ok')
  assert.equal((await client.reply()).body, 'ok')
})

test('a service that takes no more of an upload is at fault, and not its client', async (t) => {
  const sent: ServerHttp2Stream[] = []
  const limits = { clientStallMs: 60_000, replyHeadMs: 500 }
  const { stand } = await openPlain(t, (stream) => void sent.push(stream.pause()), { limits })
  const client = new RawClient(stand.port)
  client.send('POST /billing/open HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n')
  client.send('x'.repeat(7_999_999))
  assert.equal((await client.reply(20_000)).status, 504)
  assert.equal(sent.length, 1)
})

test('a client that does not take its reply is at fault, and not its service', async (t) => {
  const failures: unknown[] = []
  const log = { ...silentLog, warn: (_: string, fields?: LogFields) => failures.push(fields?.['failure']) }
  const answer = (stream: ServerHttp2Stream): void => {
    stream.respond({ ':status': 200 })
    stream.end(Buffer.alloc(50_000_000))
  }
  const limits = { clientStallMs: 500, replyStallMs: 60_000 }
  const { stand } = await openPlain(t, answer, { limits, gateway: { log } })
  const client = new RawClient(stand.port).send(get('/billing/health'))
  await until(() => client.received.length > 0, 'the reply has begun')
  client.socket.pause()
  await until(() => failures.length > 0, 'the reply is cut')
  assert.deepEqual(failures, ['client-stalled'])
})

test('a client that dribbles is told so, unless it makes a call of gRPC', async (t) => {
  const { stand, sessions } = await openPlain(t, () => undefined, {
    limits: { bodyMs: 100, bodyBytesPerSecond: 1_000 },
  })
  const clients = ['text/plain', 'application/grpc'].map((type) =>
    new RawClient(stand.port).send(
      `POST /billing/open HTTP/1.1\r\nHost: a\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    ),
  )
  const dribble = setInterval(() => clients.forEach((client) => client.send('1\r\nx\r\n')), 10)
  t.after(() => clearInterval(dribble))
  const [plain, call] = clients as [RawClient, RawClient]
  assert.equal((await plain.reply()).status, 408)
  await until(() => sessions.length === 1, 'one connection')
  await new Promise((resolve) => setTimeout(resolve, 200))
  assert.deepEqual([call.received, call.closed], ['', false])
  clearInterval(dribble)
  call.destroy()
})

test('half an answer never looks like a whole one', async (t) => {
  const { stand } = await openPlain(t, (stream) => {
    stream.respond({ ':status': 200 })
    stream.write('half', () => stream.session!.destroy())
  })
  const client = new RawClient(stand.port).send(get('/billing/health'))
  await client.end()
  assert.ok(!client.received.endsWith('0\r\n\r\n'), client.received)
})

test('one connection for all, and a new one when it has said goodbye', async (t) => {
  const { stand, sessions } = await openPlain(t, (stream) => {
    stream.respond({ ':status': 200 })
    stream.end('ok')
  })
  const askHealth = async (): Promise<number> => (await ask(stand.port, get('/billing/health'))).status
  assert.deepEqual(await Promise.all([1, 2, 3, 4, 5].map(askHealth)), [200, 200, 200, 200, 200])
  assert.equal(sessions.length, 1)
  sessions[0]!.close()
  await until(() => sessions[0]!.destroyed, 'goodbye is said')
  assert.equal(await askHealth(), 200)
  assert.equal(sessions.length, 2)
})

test('trailers pass from end to end', async (t) => {
  const target = await openH2c(t, (stream) => {
    stream.respond({ ':status': 200, 'set-cookie': 'a=1' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-late': 'yes' }))
    stream.end('hello')
  })
  const stand = await openTlsStand(t, target.url, { service: poolOf([target.url], { protocol: 'h2' }) })
  const reply = await askStream(openSession(t, stand), { ':path': '/billing/health' })
  assert.deepEqual([reply.status, reply.body, reply.trailers['x-late']], [200, 'hello', 'yes'])
})

const routes: readonly Route[] = [
  { method: 'POST', template: '/test.Echo/Admin', requirement: { roles: 'admin' }, line: 1 },
  ...['Echo', 'Fail', 'Chat'].map((name) => ({
    method: 'POST',
    template: `/test.Echo/${name}`,
    requirement: 'authenticated' as const,
    line: 2,
  })),
]

/** A real gRPC client, a gateway, and a real gRPC server that speaks HTTP/2 without TLS. */
async function openGrpc(t: TestContext, changes: Partial<Service> = {}) {
  let calls = 0
  let cancelled = 0
  const server = new grpc.Server()
  const method = (name: string, isStream = false) => ({
    path: `/test.Echo/${name}`,
    requestStream: isStream,
    responseStream: isStream,
    requestSerialize: encode,
    requestDeserialize: decode,
    responseSerialize: encode,
    responseDeserialize: decode,
  })
  server.addService(
    { Echo: method('Echo'), Fail: method('Fail'), Admin: method('Admin'), Chat: method('Chat', true) },
    {
      Echo(call: grpc.ServerUnaryCall<string, string>, done: grpc.sendUnaryData<string>) {
        calls += 1
        const initial = new grpc.Metadata()
        initial.set('x-initial', 'yes')
        call.sendMetadata(initial)
        const trailers = new grpc.Metadata()
        trailers.set('x-trailer', 'yes')
        done(null, `${call.request} of ${String(call.metadata.get('countersign-subject')[0])}`, trailers)
      },
      Fail(_call: grpc.ServerUnaryCall<string, string>, done: grpc.sendUnaryData<string>) {
        const metadata = new grpc.Metadata()
        metadata.set('x-why', 'so')
        done({ code: grpc.status.FAILED_PRECONDITION, details: 'not füll', metadata })
      },
      Admin: () => void (calls += 1),
      Chat(call: grpc.ServerDuplexStream<string, string>) {
        call.on('data', (text: string) => call.write(text))
        call.on('end', () => call.end())
        call.on('cancelled', () => (cancelled += 1))
      },
    },
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  const url = `http://127.0.0.1:${port}`
  const stand = await openTlsStand(t, url, {
    service: { ...poolOf([url], { protocol: 'h2' }), at: '/', routes, ...changes },
  })
  const client = new grpc.Client(
    `localhost:${stand.port}`,
    grpc.credentials.createSsl(Buffer.from(stand.ca)),
    { 'grpc.max_receive_message_length': -1 },
  )
  t.after(() => {
    client.close()
    server.forceShutdown()
  })
  const metadata = new grpc.Metadata()
  metadata.set('authorization', `Bearer ${stand.token()}`)
  return {
    client,
    metadata,
    server: { calls: () => calls, cancelled: () => cancelled, stop: () => server.forceShutdown() },
  }
}

type Called = {
  readonly reply?: string | undefined
  readonly error?: grpc.ServiceError | undefined
  readonly initial?: grpc.Metadata | undefined
  readonly trailers?: grpc.Metadata | undefined
}

function unary(client: grpc.Client, name: string, text: string, metadata: grpc.Metadata): Promise<Called> {
  return new Promise((resolve) => {
    let called: Called = {}
    const call = client.makeUnaryRequest(
      `/test.Echo/${name}`,
      encode,
      decode,
      text,
      metadata,
      (error: grpc.ServiceError | null, reply?: string) => {
        called = { ...called, reply, error: error ?? undefined }
      },
    )
    call.on('metadata', (initial) => (called = { ...called, initial }))
    call.on('status', ({ metadata: trailers }) => setImmediate(() => resolve({ ...called, trailers })))
  })
}

function encode(text: string): Buffer {
  return Buffer.from(text)
}

function decode(bytes: Buffer): string {
  return bytes.toString()
}

/** HTTP/2 by hand: Node's own server would not send such a status. Answers the first request of a connection. */
function answerRaw(socket: Socket, status: string): void {
  socket.on('error', () => undefined)
  let received = Buffer.alloc(0)
  let at = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'.length
  socket.write(frame(SETTINGS, 0, 0, Buffer.alloc(0)))
  socket.on('data', (piece) => {
    received = Buffer.concat([received, piece as Buffer])
    while (received.length >= at + 9) {
      const length = received.readUIntBE(at, 3)
      if (received.length < at + 9 + length) return
      const [type, flags] = [received[at + 3]!, received[at + 4]!]
      if (type === SETTINGS && (flags & 1) === 0) socket.write(frame(SETTINGS, 1, 0, Buffer.alloc(0)))
      // A literal without indexing (RFC 7541 §6.2.2), by the eighth name of the static table: `:status`.
      const head = Buffer.concat([Buffer.from([0x08, status.length]), Buffer.from(status)])
      if (type === HEADERS) socket.write(frame(HEADERS, 0x5, received.readUInt32BE(at + 5), head))
      at += 9 + length
    }
  })
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

const HEADERS = 1
const SETTINGS = 4
