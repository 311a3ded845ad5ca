import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { request as httpRequest, createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { GatewayLimits } from '../front/limits.ts'
import {
  ask,
  bearer,
  get,
  listenOn,
  okReply,
  openStand,
  openUpstream,
  RawClient,
  until,
} from '../../../../../test/gateway/stand.ts'
import type { Script, ScriptedUpstream, Stand, StandOptions } from '../../../../../test/gateway/stand.ts'

test('a small reply, counted or chunked, comes with its length', async (t) => {
  const { stand } = await open(t, (socket, _text, index) => {
    socket.write(index === 0 ? okReply('{"id":7}', 'ETag: "x"') : chunkedReply('{"id":7}'))
  })
  for (let i = 0; i < 2; i++) {
    const reply = await ask(stand.port, get('/billing/health'))
    assert.equal(reply.body, '{"id":7}')
    assert.equal(reply.headers['content-length'], '8')
  }
})

test('a reply of unknown length is passed on as it comes', async (t) => {
  let goOn = (): unknown => undefined
  const { stand } = await open(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n')
    goOn = () => socket.write('6\r\nsecond\r\n0\r\nX-Trailer: gone\r\n\r\n')
  })
  const client = new RawClient(stand.port).send(get('/billing/health'))
  await until(() => client.received.includes('first'), 'the first piece')
  goOn()
  const reply = await client.reply()
  assert.equal(reply.body, 'firstsecond')
  assert.equal(reply.headers['x-trailer'], undefined)
  client.destroy()
})

test('a reply that ends with the connection is passed on the same way', async (t) => {
  const { stand, upstream } = await open(t, (socket) =>
    socket.end('HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nto the end'),
  )
  const client = new RawClient(stand.port).send(get('/billing/health') + get('/billing/health'))
  await client.end()
  const reply = await client.reply()
  assert.equal(reply.body, 'to the end')
  // There is no way to answer it, so it must not be acted on.
  assert.equal(upstream.requests.length, 1)
  assert.equal(reply.headers['connection'], 'close')
  assert.equal(reply.headers['transfer-encoding'], undefined)
})

test('replies without a body', async (t) => {
  const { stand } = await open(t, (socket, text) => {
    if (text.startsWith('HEAD')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n')
    else if (text.includes('a=204')) socket.write('HTTP/1.1 204 No Content\r\n\r\n')
    else socket.write('HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 99\r\n\r\n')
  })
  const client = new RawClient(stand.port)
  const head = await client.send(get('/billing/health').replace('GET', 'HEAD')).reply(10_000, true)
  assert.equal(head.headers['content-length'], '1234')
  assert.equal((await client.send(get('/billing/health?a=204')).reply()).status, 204)
  const unchanged = await client.send(get('/billing/health?a=304')).reply()
  assert.equal(unchanged.status, 304)
  assert.equal(unchanged.headers['etag'], '"x"')
  client.destroy()
})

test('interim replies are not passed on', async (t) => {
  const { stand } = await open(t, (socket) =>
    socket.write(`HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${okReply('ok')}`),
  )
  assert.equal((await ask(stand.port, get('/billing/health'))).status, 200)
})

test('an HTTP/1.0 client gets a chunked reply until the connection closes', async (t) => {
  const { stand } = await open(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n')
    setTimeout(() => socket.write('6\r\nsecond\r\n0\r\n\r\n'), 20)
  })
  const client = new RawClient(stand.port).send('GET /billing/health HTTP/1.0\r\n\r\n')
  await client.end()
  assert.equal((await client.reply()).body, 'firstsecond')
})

for (const size of [0, 1, 5_000, 100 * 1024, 10 * 1024 * 1024]) {
  for (const framing of ['counted', 'chunked']) {
    test(`a body of ${size} bytes comes through both ways, ${framing}`, async (t) => {
      const { port, token } = await openEcho(t)
      const body = randomBytes(size)
      const echoed = await exchange(port, token, body, framing === 'chunked')
      assert.equal(echoed.status, 200)
      assert.equal(echoed.uploaded, hashOf(body))
      assert.equal(echoed.downloaded, hashOf(body))
    })
  }
}

test('a request leaves with its first bytes, and the rest follows as it comes', async (t) => {
  const { stand, upstream } = await open(t, (socket, text) => {
    if (text.includes('last')) socket.write(okReply('ok'))
  })
  const client = new RawClient(stand.port)
  client.send(`POST /billing/open HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nfirst`)
  await until(() => upstream.requests.length === 1, 'the beginning')
  assert.ok(upstream.requests[0]!.endsWith('Content-Length: 9\r\n\r\nfirst'))
  client.destroy()
})

test('100-continue is said once the request is allowed, and never before', async (t) => {
  const { stand, upstream } = await open(t, (socket, text) => {
    if (text.includes('body')) socket.write(okReply('ok'))
  })
  const head = 'Host: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n'
  const allowed = new RawClient(stand.port).send(`POST /billing/open HTTP/1.1\r\n${head}\r\n`)
  assert.equal((await allowed.reply()).status, 100)
  // The scripted upstream waits for a head and a body in one.
  await until(() => upstream.requests.length === 1, 'the head')
  assert.ok(!upstream.requests[0]!.toLowerCase().includes('expect'))
  allowed.destroy()

  const refused = new RawClient(stand.port).send(`POST /billing/invoices HTTP/1.1\r\n${head}\r\n`)
  const reply = await refused.reply()
  assert.equal(reply.status, 401)
  assert.equal(reply.headers['connection'], 'close')
  await refused.end()
  assert.equal(upstream.requests.length, 1)
})

test('a closed kept-alive connection: what can be repeated is, once; what cannot is not', async (t) => {
  const { stand, upstream } = await open(t, (socket, _text, index) => {
    if (index === 0 || index === 2) socket.write(okReply('ok'))
    else if (index === 1 || index === 3) socket.destroy()
    else socket.write(okReply('again'))
  })
  assert.equal((await ask(stand.port, get('/billing/health'))).body, 'ok')
  // Closed on the second request of the connection, as a server does whose idle time is over; a new one answers.
  assert.equal((await ask(stand.port, get('/billing/health'))).body, 'ok')
  assert.equal(upstream.requests.length, 3)
  const post = 'POST /billing/open HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi'
  assert.equal((await ask(stand.port, post)).status, 502)
  assert.equal(upstream.requests.length, 4)
})

test('a request is repeated once and no more', async (t) => {
  const { stand, upstream } = await open(t, (socket, _text, index) => {
    if (index === 0) socket.write(okReply('ok'))
    else socket.destroy()
  })
  await ask(stand.port, get('/billing/health'))
  assert.equal((await ask(stand.port, get('/billing/health'))).status, 502)
  assert.equal(upstream.requests.length, 3)
})

test('once part of a reply has come nothing is repeated', async (t) => {
  const { stand, upstream } = await open(t, (socket, _text, index) => {
    if (index === 0) socket.write(okReply('ok'))
    else socket.end('HTTP/1.1 2')
  })
  await ask(stand.port, get('/billing/health'))
  assert.equal((await ask(stand.port, get('/billing/health'))).status, 502)
  assert.equal(upstream.requests.length, 2)
})

test('a body where none is expected ends the upstream connection', async (t) => {
  const { stand, upstream } = await open(t)
  const client = new RawClient(stand.port)
  for (let i = 0; i < 2; i++) {
    client.send(`GET /billing/health HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc`)
    assert.equal((await client.reply()).status, 200)
  }
  assert.ok(upstream.requests.every((text) => text.includes('\r\nConnection: close\r\n')))
  await until(() => upstream.sockets.size === 0, 'no connection is kept')
  client.destroy()
})

test('a reply to half an upload reaches the client, and the connection goes on', async (t) => {
  const tooLarge = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig'
  const script: Script = (socket, text) => {
    socket.write(text.startsWith('POST') ? tooLarge : okReply('ok'))
  }
  const { stand } = await open(t, script, { limits: { unreadMs: 60_000 } })
  const client = new RawClient(stand.port)
  client.send(`POST /billing/open HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(1_000)}`)
  const reply = await client.reply()
  assert.deepEqual([reply.status, reply.body], [413, 'big'])
  client.send('x'.repeat(199_000) + get('/billing/health'))
  assert.equal((await client.reply()).body, 'ok')
  client.destroy()
})

test('a reply to an upload that the upstream does not take reaches the client as well', async (t) => {
  const script: Script = (socket, text) => {
    if (text.startsWith('POST')) socket.pause()
    else socket.write(okReply('ok'))
  }
  const { stand, upstream } = await open(t, script, { limits: { unreadMs: 60_000 } })
  const client = new RawClient(stand.port)
  const size = 12_000_000
  client.send(`POST /billing/open HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`)
  client.send('x'.repeat(size))
  await until(() => upstream.requests.length === 1, 'the upload has begun')
  // Long enough for every buffer on the way to be full.
  await new Promise((resolve) => setTimeout(resolve, 200))
  for (const socket of upstream.sockets)
    socket.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig')
  assert.equal((await client.reply()).status, 413)
  client.send(get('/billing/health'))
  assert.equal((await client.reply()).body, 'ok')
  client.destroy()
})

test('a large reply in small pieces reaches a slow client unchanged', async (t) => {
  // Every piece differs, so that one read over another shows; together they are more than all buffers hold.
  const pieces = Array.from({ length: 800 }, (_, index) =>
    Buffer.alloc(20_000, index.toString().padStart(5, '0')),
  )
  const whole = Buffer.concat(pieces)
  const { stand } = await open(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${whole.length}\r\n\r\n`)
    let at = 0
    const more = (): void => {
      if (at === pieces.length) return
      if (socket.write(pieces[at++]!)) setImmediate(more)
      else socket.once('drain', () => setImmediate(more))
    }
    more()
  })
  const client = new RawClient(stand.port).send(get('/billing/health'))
  await until(() => client.received.length > 0, 'the beginning')
  for (let i = 0; i < 5; i++) {
    client.socket.pause()
    await new Promise((resolve) => setTimeout(resolve, 60))
    client.socket.resume()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const reply = await client.reply(60_000)
  assert.equal(hashOf(Buffer.from(reply.body, 'latin1')), hashOf(whole))
  client.destroy()
})

test('a client that does not read holds up its own upstream connection only for a time', async (t) => {
  const { stand, upstream } = await open(
    t,
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 500000000\r\n\r\n')
      const more = (): void => {
        while (socket.writable && socket.write('x'.repeat(65_536)));
      }
      socket.on('drain', more)
      more()
    },
    { limits: { clientStallMs: 80 } },
  )
  const client = new RawClient(stand.port).send(get('/billing/health'))
  client.socket.pause()
  await until(() => upstream.sockets.size === 1, 'the exchange is under way')
  await until(() => upstream.sockets.size === 0, 'the upstream connection is released')
  client.socket.resume()
  await client.end()
  assert.ok(client.received.length < 500_000_000)
})

test('a client that stops sending its body is told so', async (t) => {
  const { stand, upstream } = await open(t, () => undefined, { limits: { clientStallMs: 80 } })
  const client = new RawClient(stand.port)
  client.send('POST /billing/open HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf')
  assert.equal((await client.reply()).status, 408)
  await until(() => upstream.sockets.size === 0, 'the upstream connection is released')
  client.destroy()
})

test('a slow upload that keeps moving is not cut', async (t) => {
  const { port, token } = await openEcho(t, { clientStallMs: 4_000, replyHeadMs: 4_000 })
  const client = new RawClient(port)
  client.send(`POST /billing/echo HTTP/1.1\r\nHost: a\r\n${bearer(token)}\r\nContent-Length: 8\r\n\r\n`)
  for (const letter of 'slow but') {
    await new Promise((resolve) => setTimeout(resolve, 600))
    client.send(letter)
  }
  assert.equal((await client.reply()).body, 'slow but')
  client.destroy()
})

test('a client that dribbles is told so, and closed', async (t) => {
  const limits = { bodyMs: 150, bodyBytesPerSecond: 1_000 }
  const { stand, upstream } = await open(t, () => undefined, { limits })
  const client = new RawClient(stand.port)
  client.send('POST /billing/open HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  const dribble = setInterval(() => client.send('1\r\nx\r\n'), 10)
  t.after(() => clearInterval(dribble))
  const reply = await client.reply()
  assert.deepEqual([reply.status, reply.headers['connection']], [408, 'close'])
  await until(() => upstream.sockets.size === 0, 'the upstream connection is released')
  clearInterval(dribble)
  await client.end()
})

test('a body that a slow service does not take is not slow', async (t) => {
  const limits = { bodyMs: 2_000, bodyBytesPerSecond: 50_000_000 }
  const { stand, upstream } = await open(t, (socket) => void socket.pause(), { limits })
  const client = new RawClient(stand.port)
  const size = 12_000_000
  client.send(`POST /billing/open HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`)
  client.send('x'.repeat(size))
  await until(() => upstream.requests.length === 1, 'the upload has begun')
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  assert.equal(client.received, '')
  for (const socket of upstream.sockets) socket.end(okReply('ok', 'Connection: close'))
  assert.equal((await client.reply()).body, 'ok')
  client.destroy()
})

type Opened = { readonly stand: Stand; readonly upstream: ScriptedUpstream }

async function open(t: TestContext, script?: Script, options: StandOptions = {}): Promise<Opened> {
  const upstream = await openUpstream(script)
  const stand = await openStand(upstream.url, options)
  t.after(async () => {
    await stand.close()
    await upstream.close()
  })
  return { stand, upstream }
}

/** A gateway in front of a server that sends every body back, with the hash of what it got in a header. */
async function openEcho(
  t: TestContext,
  limits: Partial<GatewayLimits> = {},
): Promise<{ port: number; token: string }> {
  const server = createServer((request, response) => {
    const hash = createHash('sha256')
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => {
      hash.update(chunk)
      chunks.push(chunk)
    })
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      response.setHeader('X-Uploaded', hash.digest('hex'))
      if (request.headers['transfer-encoding'] === undefined)
        response.setHeader('Content-Length', body.length)
      response.end(body)
    })
  })
  const stand = await openStand(`http://127.0.0.1:${await listenOn(server)}`, { limits })
  t.after(async () => {
    await stand.close()
    server.closeAllConnections()
    server.close()
  })
  return { port: stand.port, token: stand.token() }
}

function exchange(
  port: number,
  token: string,
  body: Buffer,
  chunked: boolean,
): Promise<{ status: number; uploaded: string | undefined; downloaded: string }> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length }),
    }
    const url = `http://127.0.0.1:${port}/billing/echo`
    const outgoing = httpRequest(url, { method: 'POST', headers, agent: false })
    outgoing.on('error', reject)
    outgoing.on('response', (reply: IncomingMessage) => {
      const hash = createHash('sha256')
      reply.on('data', (chunk: Buffer) => hash.update(chunk))
      reply.on('error', reject)
      reply.on('end', () =>
        resolve({
          status: reply.statusCode ?? 0,
          uploaded: reply.headers['x-uploaded'] as string | undefined,
          downloaded: hash.digest('hex'),
        }),
      )
    })
    for (let at = 0; at < body.length; at += 70_000) outgoing.write(body.subarray(at, at + 70_000))
    outgoing.end()
  })
}

function hashOf(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex')
}

function chunkedReply(body: string): string {
  return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
}
