import assert from 'node:assert/strict'
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { readLimits } from '../front/limits.ts'
import type { GatewayLimits } from '../front/limits.ts'
import type { ResponseHead } from './response-head.ts'
import type { ResponseFraming } from './response-parser.ts'
import { selfSigned } from '../../../../../test/gateway/certificate.ts'
import { listenOn, okReply, openUpstream, until } from '../../../../../test/gateway/stand.ts'
import type { Script } from '../../../../../test/gateway/stand.ts'
import { UpstreamConnection } from './upstream-connection.ts'
import type { UpstreamExchange, UpstreamFailure } from './upstream-connection.ts'
import { readOrigin } from './upstream-origin.ts'

test('carries one exchange after the other', async (t) => {
  const { connection, events } = await open(t)
  for (let i = 0; i < 2; i++) {
    const exchange = new Recorder(connection)
    await exchange.over
    assert.deepEqual(exchange.told, ['head 200 counted', 'body ok', 'end'])
  }
  assert.deepEqual(events, ['idle', 'idle'])
  assert.equal(connection.reused, true)
  assert.equal(connection.state, 'open')
})

test('a reply in many packets is told as it comes', async (t) => {
  // Some packets may arrive as one, but not all.
  const digits = '0123456789'.repeat(20)
  const { connection } = await open(t, {}, (socket) => {
    const text = okReply(digits)
    let at = 0
    const send = (): void => {
      if (at < text.length) socket.write(text.slice(at, (at += 16)), () => setTimeout(send, 1))
    }
    send()
  })
  const exchange = new Recorder(connection)
  await exchange.over
  assert.equal(exchange.body, digits)
  assert.ok(exchange.told.includes('flush'))
})

test('memory that is still needed is not read into again', async (t) => {
  const letters = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(30_000))
  const { connection } = await open(t, {}, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 120000\r\n\r\n`)
    let at = 0
    const send = (): void => {
      if (at < letters.length) socket.write(letters[at++]!, () => setTimeout(send, 5))
    }
    send()
  })
  const exchange = new Recorder(connection)
  exchange.keep = true
  await exchange.over
  assert.equal(Buffer.concat(exchange.kept).toString(), letters.join(''))
})

const endings: Readonly<Record<string, readonly [reply: string, failure: UpstreamFailure | undefined]>> = {
  'a reply that ends with Connection: close': [okReply('ok', 'Connection: close'), undefined],
  'a reply of HTTP/1.0': ['HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', undefined],
  'garbage in place of a reply': ['220 smtp.example ESMTP\r\n', 'status-malformed'],
  'bytes behind a reply': [okReply('ok') + 'HTTP/1.1 200 OK\r\n\r\n', undefined],
  'two lengths': ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok', 'length-ambiguous'],
}
for (const [name, [reply, failure]] of Object.entries(endings)) {
  test(`${name}: the connection is not used again`, async (t) => {
    const { connection, events } = await open(t, {}, (socket) => socket.write(reply))
    const exchange = new Recorder(connection)
    await exchange.over
    assert.equal(exchange.failure, failure)
    assert.deepEqual(events, ['closed'])
    assert.equal(connection.state, 'closed')
  })
}

test('a reply to half a request ends the connection', async (t) => {
  const { connection, events } = await open(t)
  const exchange = new Recorder(connection, { wholeRequest: false })
  await exchange.over
  assert.deepEqual(exchange.told, ['head 200 counted', 'body ok', 'end'])
  assert.deepEqual(events, ['closed'])
})

test('the last exchange ends the connection', async (t) => {
  const { connection, events } = await open(t)
  await new Recorder(connection, { last: true }).over
  assert.deepEqual(events, ['closed'])
})

test('abandoned, nothing more is told', async (t) => {
  const { connection, events } = await open(t, {}, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart')
  })
  const exchange = new Recorder(connection)
  await until(() => exchange.body === 'part', 'part of the reply')
  connection.abandon()
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(exchange.failure, undefined)
  assert.deepEqual(events, ['closed'])
})

test('a paused reply is not read on, and loses nothing', async (t) => {
  const body = 'x'.repeat(1_000_000)
  const { connection } = await open(t, {}, (socket) => socket.write(okReply(body)))
  const exchange = new Recorder(connection)
  exchange.pauseAt = 10_000
  await until(() => exchange.body.length >= 10_000, 'the beginning')
  const before = exchange.body.length
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.equal(exchange.body.length, before)
  connection.resume()
  await exchange.over
  assert.equal(exchange.body.length, body.length)
})

const deadlines: Readonly<
  Record<string, readonly [limits: Partial<GatewayLimits>, script: Script, failure: string]>
> = {
  'no reply': [{ replyHeadMs: 40 }, () => undefined, 'reply-timeout'],
  'half a head': [{ replyHeadMs: 40 }, (socket) => socket.write('HTTP/1.1 200 OK\r\nX: '), 'reply-timeout'],
  'interim replies only': [
    { replyHeadMs: 40 },
    (socket) => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'),
    'reply-timeout',
  ],
  'half a body': [
    { replyStallMs: 40 },
    (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'),
    'reply-stalled',
  ],
}
for (const [name, [limits, script, failure]] of Object.entries(deadlines)) {
  test(`${name}: the deadline passes`, async (t) => {
    const { connection } = await open(t, limits, script)
    const exchange = new Recorder(connection)
    await exchange.over
    assert.equal(exchange.failure, failure)
    assert.equal(connection.state, 'closed')
  })
}

test('a head that dribbles in does not put off its deadline', async (t) => {
  const { connection } = await open(t, { replyHeadMs: 60 }, (socket) => {
    const timer = setInterval(() => socket.write('X'), 10)
    socket.write('HTTP/1.1 200 OK\r\nX: ')
    socket.on('close', () => clearInterval(timer))
  })
  const began = performance.now()
  const exchange = new Recorder(connection)
  await exchange.over
  assert.equal(exchange.failure, 'reply-timeout')
  // Until its head were too long it would take minutes.
  assert.ok(performance.now() - began < 20_000)
})

test('nobody listening is told as such', async (t) => {
  const { connection } = await connectTo(t, 'http://127.0.0.1:1')
  const exchange = new Recorder(connection)
  await exchange.over
  assert.equal(exchange.failure, 'unreachable')
})

test('over TLS only a certificate that is vouched for, and for this very host', async (t) => {
  const own = selfSigned()
  const server = createTlsServer(own, (socket) => socket.on('data', () => socket.write(okReply('secret'))))
  server.on('tlsClientError', () => undefined)
  const port = await listenOn(server)
  t.after(() => server.close())
  const authorities = getCACertificates('default')
  t.after(() => setDefaultCACertificates(authorities))

  const stranger = new Recorder((await connectTo(t, `https://127.0.0.1:${port}`)).connection)
  await stranger.over
  assert.equal(stranger.failure, 'tls-failed')

  setDefaultCACertificates([own.cert])
  for (const host of ['127.0.0.1', 'localhost']) {
    const { connection } = await connectTo(t, `https://${host}:${port}`)
    for (let i = 0; i < 2; i++) {
      const exchange = new Recorder(connection)
      await exchange.over
      assert.equal(exchange.body, 'secret', String(exchange.failure))
    }
  }
  const elsewhere = new Recorder(
    (await connectTo(t, `https://127.0.0.1:${port}`, {}, 'elsewhere.example')).connection,
  )
  await elsewhere.over
  assert.equal(elsewhere.failure, 'tls-failed')
})

/** Sends one request, whole or in part, and writes down what it is told. */
class Recorder implements UpstreamExchange {
  readonly told: string[] = []
  body = ''
  failure: UpstreamFailure | undefined
  keep = false
  readonly kept: Buffer[] = []
  pauseAt: number | undefined
  readonly over: Promise<void>
  readonly #connection: UpstreamConnection
  #settle: () => void = () => undefined

  constructor(
    connection: UpstreamConnection,
    { wholeRequest = true, last = false }: { wholeRequest?: boolean; last?: boolean } = {},
  ) {
    this.#connection = connection
    this.over = new Promise((resolve) => (this.#settle = resolve))
    connection.begin(this, false, last)
    connection.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${wholeRequest ? 0 : 10}\r\n\r\n`)
    if (wholeRequest) connection.endRequest()
  }

  onReplyHead({ status }: ResponseHead, framing: ResponseFraming): void {
    this.told.push(`head ${status} ${framing}`)
  }
  onReplyBody(chunk: Buffer): boolean {
    const text = chunk.toString('latin1')
    this.body += text
    if (text.length < 20) this.told.push(`body ${text}`)
    if (this.keep) this.kept.push(chunk)
    if (this.pauseAt !== undefined && this.body.length >= this.pauseAt) {
      this.pauseAt = undefined
      this.#connection.pause()
    }
    return this.keep
  }
  onReplyFlush(): boolean {
    this.told.push('flush')
    return false
  }
  onReplyEnd(): boolean {
    this.told.push('end')
    setImmediate(this.#settle)
    return this.keep
  }
  onFailure(failure: UpstreamFailure): void {
    this.failure = failure
    this.#settle()
  }
  onUpstreamDrain(): void {}
  stalledByClient(): boolean {
    return false
  }
  sweep(): void {}
}

type Opened = { readonly connection: UpstreamConnection; readonly events: string[] }

async function open(t: TestContext, limits: Partial<GatewayLimits> = {}, script?: Script): Promise<Opened> {
  const server = await openUpstream(script)
  t.after(() => server.close())
  return connectTo(t, server.url, limits)
}

async function connectTo(
  t: TestContext,
  url: string,
  limits: Partial<GatewayLimits> = {},
  serverName?: string,
): Promise<Opened> {
  const events: string[] = []
  const owner = {
    onConnectionIdle: () => void events.push('idle'),
    onConnectionClosed: () => void events.push('closed'),
  }
  const ticker = { nowMs: performance.now(), stop() {} }
  const origin = readOrigin(url, 'test')
  const security = serverName === undefined ? undefined : { serverName, context: () => undefined }
  const connection = new UpstreamConnection(origin, owner, readLimits(limits), ticker, security)
  const timer = setInterval(() => {
    ticker.nowMs = performance.now()
    connection.sweep(ticker.nowMs)
  }, 5)
  t.after(() => {
    clearInterval(timer)
    connection.destroy()
  })
  return { connection, events }
}
