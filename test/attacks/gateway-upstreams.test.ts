import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { GatewayLimits } from '../../packages/server/src/gateway/front/limits.ts'
import { freePort } from '../machine/free-port.ts'
import { ask, get, okReply, openStand, openUpstream, RawClient, until } from '../gateway/stand.ts'
import type { Script, ScriptedUpstream, Stand } from '../gateway/stand.ts'

// A service that is broken, taken over or merely dying must not reach a client as a reply it never gave, nor take the
// gateway with it.

test('nobody there: 502, at once', async (t) => {
  // So long that an answer within the ten seconds of `ask` has waited for none of them.
  const slow = { connectMs: 60_000, waitMs: 60_000, replyHeadMs: 60_000 }
  const stand = await openStand(`http://127.0.0.1:${await freePort()}`, { limits: slow })
  t.after(() => stand.close())
  const reply = await ask(stand.port, get('/billing/health'))
  assert.equal(reply.status, 502)
  assert.ok(!reply.body.includes('127.0.0.1') && !reply.body.includes('ECONN'))
})

test('too slow to answer: 504', async (t) => {
  const { stand, upstream } = await open(t, () => undefined, { replyHeadMs: 60 })
  assert.equal((await ask(stand.port, get('/billing/health'))).status, 504)
  await until(() => upstream.sockets.size === 0, 'its connection is closed')
})

test('no room left: 503 and a time to come back', async (t) => {
  const { stand } = await open(t, () => undefined, { upstreamConnections: 1, upstreamWaiting: 1, waitMs: 80 })
  const busy = new RawClient(stand.port).send(get('/billing/health'))
  await until(() => stand.decisions.length === 1, 'the only connection is taken')
  const waiting = ask(stand.port, get('/billing/health'))
  await until(() => stand.decisions.length === 2, 'the only place to wait is taken')
  const turnedAway = await ask(stand.port, get('/billing/health'))
  assert.equal(turnedAway.status, 503)
  assert.equal(turnedAway.headers['retry-after'], '1')
  assert.equal((await waiting).status, 503)
  busy.destroy()
})

const lies: Readonly<Record<string, string>> = {
  garbage: 'SSH-2.0-OpenSSH_9.6\r\n',
  'binary garbage': '\x00\x01\x02\x03\xff\xfe',
  'a reply of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 200\r\n\r\nok',
  'length and chunks': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'a folded header': 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok',
  'a header split in two (response splitting)':
    'HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok',
  'NUL in a header': 'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok',
  'a status that is none': 'HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\nok',
  'an endless head': `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(20_000)}`,
  'an endless header': `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(100_000)}`,
  'endless interim replies': 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100),
  'chunks that are none': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk\r\n',
}
for (const [name, text] of Object.entries(lies)) {
  test(`${name} in place of a reply: 502, and the connection is dropped`, async (t) => {
    const { stand, upstream } = await open(t, (socket) => socket.write(text, 'latin1'))
    const reply = await ask(stand.port, get('/billing/health'))
    assert.equal(reply.status, 502)
    assert.ok(!reply.body.includes(text.slice(0, 6)))
    await until(() => upstream.sockets.size === 0, 'its connection is closed')
  })
}

const deaths: Readonly<Record<string, readonly [beginning: string, reset: boolean]>> = {
  'in a counted body': ['HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf', false],
  'in a counted body, by a reset': ['HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf', true],
  'in a chunk': ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe', false],
  'between two chunks': ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', false],
  'before the last empty line': [
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n',
    false,
  ],
  'in a body until close, by a reset': ['HTTP/1.1 200 OK\r\n\r\nhalf', true],
}
for (const [name, [beginning, reset]] of Object.entries(deaths)) {
  test(`dying half-way ${name}: the client is cut off, and cannot take it for complete`, async (t) => {
    const { stand } = await open(t, (socket) => {
      socket.write(beginning)
      setTimeout(() => (reset ? socket.resetAndDestroy() : socket.end()), 30)
    })
    for (const version of ['1.1', '1.0']) {
      const client = new RawClient(stand.port).send(`GET /billing/health HTTP/${version}\r\nHost: a\r\n\r\n`)
      await until(() => client.received.includes('he') || client.received.includes('half'), 'the beginning')
      await client.end()
      assert.equal(client.reset, true, 'a reset, not an end')
      assert.ok(!client.received.endsWith('0\r\n\r\n'))
      // Another request is served as if nothing had happened.
      assert.equal((await ask(stand.port, get('/.well-known/countersign/livez'))).status, 200)
    }
  })
}

test('stalling half-way: the client is cut off after the time for it', async (t) => {
  const { stand, upstream } = await open(
    t,
    (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'),
    { replyStallMs: 60 },
  )
  const client = new RawClient(stand.port).send(get('/billing/health'))
  await client.end()
  assert.equal(client.reset, true)
  await until(() => upstream.sockets.size === 0, 'its connection is closed')
})

test('more than the length says: the client gets what was said, and nobody the rest', async (t) => {
  const { stand, upstream } = await open(t, (socket) => socket.write(okReply('exact') + 'and more'))
  const client = new RawClient(stand.port)
  for (let i = 0; i < 3; i++) assert.equal((await client.send(get('/billing/health')).reply()).body, 'exact')
  client.destroy()
  await until(() => upstream.sockets.size === 0, 'none of its connections is kept')
})

test('an endless body ends with the client, and is never held in memory', async (t) => {
  let sent = 0
  const { stand, upstream } = await open(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
    const more = (): void => {
      do sent += 65_536
      while (socket.writable && socket.write(chunk))
    }
    socket.on('drain', more)
    more()
  })
  const client = new RawClient(stand.port).send(get('/billing/health'))
  await until(() => client.received.length > 5_000_000, 'some of it')
  client.socket.pause()
  // Held up all the way: what is in flight is what the sockets' buffers hold.
  let before = -1
  while (before !== sent) {
    before = sent
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
  assert.ok(
    sent - client.received.length < 32 * 1024 * 1024,
    `${sent - client.received.length} bytes in flight`,
  )
  client.destroy()
  await until(() => upstream.sockets.size === 0, 'its connection is closed')
})

test('an upstream that does not read holds up the client, and is never paid for in memory', async (t) => {
  const { stand, upstream } = await open(t, (socket) => socket.pause())
  const client = new RawClient(stand.port)
  client.send('POST /billing/open HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n')
  const piece = Buffer.alloc(1_000_000, 'x')
  let taken = 0
  const more = (): void =>
    void (taken < 100_000_000 && client.socket.write(piece, more), (taken += piece.length))
  more()
  // A pause of the whole machine must not look like one of the client's.
  await until(() => upstream.requests.length === 1 && taken > piece.length, 'the upload is under way')
  let before = -1
  while (before !== taken) {
    before = taken
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  assert.ok(taken < 32 * 1024 * 1024, `${taken} bytes taken`)
  client.destroy()
  // What lies in the buffers is only read past: to be searched for heads of requests it is far too long.
  await until(
    () => [...upstream.sockets].every((socket) => socket.removeAllListeners('data').resume().destroyed),
    'its connection is closed',
  )
})

test('a reply before the request is even sent is refused', async (t) => {
  const { stand, upstream } = await open(t, (socket) => socket.write(okReply('ok')))
  await ask(stand.port, get('/billing/health'))
  for (const socket of upstream.sockets) socket.write(okReply('poison'))
  await until(() => upstream.sockets.size === 0, 'the idle connection that spoke is dropped')
  assert.equal((await ask(stand.port, get('/billing/health'))).body, 'ok')
})

async function open(
  t: TestContext,
  script: Script,
  limits: Partial<GatewayLimits> = {},
): Promise<{ stand: Stand; upstream: ScriptedUpstream }> {
  const upstream = await openUpstream(script)
  const stand = await openStand(upstream.url, { limits })
  t.after(async () => {
    await stand.close()
    await upstream.close()
  })
  return { stand, upstream }
}
