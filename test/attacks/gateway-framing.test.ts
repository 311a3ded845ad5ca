import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { bearer, get, okReply, openStand, openUpstream, RawClient, until } from '../gateway/stand.ts'
import type { ScriptedUpstream, Stand } from '../gateway/stand.ts'

// Where one request ends and the next begins: if gateway and upstream disagree, the rest of an allowed request is a
// request that nobody has allowed (RFC 9112 §11.2). So nothing of the client's framing is passed on.

let upstream: ScriptedUpstream
let stand: Stand

before(async () => {
  upstream = await openUpstream()
  stand = await openStand(upstream.url)
})
after(async () => {
  await stand.close()
  await upstream.close()
})

const smuggled = 'GET /billing/invoices/9 HTTP/1.1\r\nHost: a\r\nX-Smuggled: 1\r\n\r\n'
const open = 'POST /billing/open HTTP/1.1\r\nHost: a\r\n'

const desync: Readonly<Record<string, string>> = {
  'both lengths (CL.TE)': `${open}Content-Length: ${5 + smuggled.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  'both lengths (TE.CL)': `${open}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n${smuggled}\r\n0\r\n\r\n`,
  'two lengths (HAProxy CVE-2021-40346)': `${open}Content-Length: 0\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
  'a list of lengths': `${open}Content-Length: 0, ${smuggled.length}\r\n\r\n${smuggled}`,
  'an empty length (HAProxy CVE-2023-40225)': `${open}Content-Length:\r\n\r\n${smuggled}`,
  'a signed length': `${open}Content-Length: +0\r\n\r\n${smuggled}`,
  'a length in hex': `${open}Content-Length: 0x0\r\n\r\n${smuggled}`,
  'a length with a space before the colon': `${open}Content-Length : 0\r\n\r\n${smuggled}`,
  'a length beyond all numbers': `${open}Content-Length: 18446744073709551616\r\n\r\n${smuggled}`,
  'two codings': `${open}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${smuggled}`,
  'chunked that is not the last coding': `${open}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`,
  'identity before chunked': `${open}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  'an empty coding before chunked': `${open}Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  'a coding nobody knows': `${open}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`,
  'a coding behind a vertical tab': `${open}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n${smuggled}`,
  'a coding on a folded line': `${open}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  'a coding in HTTP/1.0': `POST /billing/open HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  'a coding in a bare line feed': `${open}X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  'an empty header name (HAProxy CVE-2023-25725)': `${open}: x\r\nContent-Length: 0\r\n\r\n${smuggled}`,
  'HTTP/2.0 in the request line': `POST /billing/open HTTP/2.0\r\nHost: a\r\n\r\n${smuggled}`,
  'HTTP/0.9': `GET /billing/health\r\n${smuggled}`,
  'a space in the target': `GET /billing/health x HTTP/1.1\r\nHost: a\r\n\r\n${smuggled}`,
  'a chunk size in 0x': `${open}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n${smuggled}`,
  'a chunk ended by a line feed': `${open}Transfer-Encoding: chunked\r\n\r\n0\n\r\n${smuggled}`,
  'a chunk longer than it says': `${open}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n${smuggled}`,
  'a chunk size beyond all numbers': `${open}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n${smuggled}`,
}

for (const [name, text] of Object.entries(desync)) {
  test(`${name}: refused, closed, and nothing behind it is served`, async () => {
    const client = new RawClient(stand.port).send(text)
    const reply = await client.reply()
    assert.equal(reply.status, 400, reply.body)
    assert.equal(await client.end(), '')
    assert.ok(!upstream.requests.some((request) => request.includes('X-Smuggled')))
  })
}

test('after any refusal at the gate nothing behind it is served', async () => {
  for (const first of [
    'GET /billing/health HTTP/1.1\r\nHost: a@b\r\n\r\n',
    'GET /billing/health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    get('/billing/health', 'Connection: Authorization'),
    'TRACE /billing/health HTTP/1.1\r\nHost: a\r\n\r\n',
  ]) {
    const decided = stand.decisions.length
    const client = new RawClient(stand.port).send(first + get('/billing/health').repeat(3))
    assert.ok((await client.reply()).status >= 400)
    assert.equal(await client.end(), '')
    assert.ok(stand.decisions.slice(decided).every(({ outcome }) => outcome === 'deny'))
  }
})

test('upgrades and tunnels carry nothing (Envoy CVE-2024-23326, CVE-2025-64763, CVE-2026-73548)', async () => {
  for (const first of [
    get(
      '/billing/health',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Key: x',
      'Sec-WebSocket-Version: 13',
    ),
    get('/billing/health', 'Connection: Upgrade', 'Upgrade: h2c, websocket'),
    get('/billing/health', 'Upgrade: TLS/1.2'),
    'CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n',
  ]) {
    const reached = upstream.requests.length
    const client = new RawClient(stand.port).send(first + smuggled)
    // 400 for who sends more behind a WebSocket's handshake before there is an answer to it.
    assert.equal((await client.reply()).status, first.includes('Upgrade: websocket') ? 400 : 501)
    assert.equal(await client.end(), '')
    assert.equal(upstream.requests.length, reached)
  }
})

test('an upgrade right behind a request that is refused at once ends its connection, and nothing else', async () => {
  const handshake = get(
    '/billing/health',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    'Sec-WebSocket-Version: 13',
  )
  for (const [first, replies] of [
    [get('/billing/nothing'), [404]],
    [get('/billing/invoices/7'), [401]],
    [get('/.well-known/countersign/livez'), [200]],
    [get('/billing/nothing').repeat(3), [404]],
    [get('/billing/health'), []],
  ] as const) {
    // In one piece, so that the reply has not left when the handshake is read.
    const client = new RawClient(stand.port).send(first + handshake)
    for (const status of replies) assert.equal((await client.reply()).status, status)
    assert.equal(await client.end(), '')
  }
  const client = new RawClient(stand.port)
  assert.equal((await client.send(get('/billing/nothing')).reply()).status, 404)
  assert.equal(
    (await client.send(handshake).reply()).status,
    501,
    'behind its reply it is a request like any',
  )
  client.destroy()
})

test('an offer of h2c, as Java’s client makes it, is declined and the request served', async () => {
  const client = new RawClient(stand.port)
  client.send(
    get('/billing/health', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'),
  )
  assert.equal((await client.reply()).status, 200)
  assert.ok(!/upgrade|http2-settings/i.test(upstream.requests.at(-1)!))
  client.destroy()
})

test('an upstream that switches protocols unasked gets no tunnel', async (t) => {
  const switching = await openUpstream((socket) =>
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfree data',
    ),
  )
  const own = await openStand(switching.url)
  t.after(async () => {
    await own.close()
    await switching.close()
  })
  const client = new RawClient(own.port).send(get('/billing/health'))
  assert.equal((await client.reply()).status, 502)
  client.destroy()
})

test('requests behind each other are each judged on their own', async () => {
  const client = new RawClient(stand.port)
  client.send(
    get('/billing/health') +
      get('/billing/invoices/7') +
      get('/billing/invoices/7', bearer(stand.token())) +
      get('/billing/invoices/7'),
  )
  const statuses: number[] = []
  for (let i = 0; i < 4; i++) statuses.push((await client.reply()).status)
  assert.deepEqual(statuses, [200, 401, 200, 401])
  client.destroy()
})

test('a body reaches the upstream in our framing, whatever the client’s looked like', async () => {
  const client = new RawClient(stand.port)
  client.send(
    `${open}Transfer-Encoding: ChUnKeD\r\n\r\n3;ext="a;b"\r\nabc\r\n0\r\nX-Trailer: countersign\r\n\r\n`,
  )
  assert.equal((await client.reply()).status, 200)
  const seen = upstream.requests.at(-1)!
  assert.ok(seen.endsWith('Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'), seen)
  assert.ok(!seen.includes('X-Trailer') && !seen.includes('ext='))
  client.send(`${open}content-length: 00003\r\n\r\nabc`)
  assert.equal((await client.reply()).status, 200)
  assert.ok(upstream.requests.at(-1)!.endsWith('\r\nContent-Length: 3\r\n\r\nabc'))
  client.destroy()
})

test('half an upload leaves no upstream connection behind for others', async (t) => {
  const quiet = await openUpstream((socket, text) => text.startsWith('GET') && socket.write(okReply('ok')))
  const own = await openStand(quiet.url)
  t.after(async () => {
    await own.close()
    await quiet.close()
  })
  const client = new RawClient(own.port)
  client.send(`POST /billing/open HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nGET /admin HTTP/1.1\r\n`)
  await until(() => quiet.requests.length === 1, 'the upload has begun')
  client.destroy()
  await until(() => quiet.sockets.size === 0, 'its connection is closed')
  const next = new RawClient(own.port).send(get('/billing/health'))
  assert.equal((await next.reply()).status, 200)
  assert.equal(quiet.requests.length, 2)
  next.destroy()
})

test('a second reply, smuggled behind the first, is nobody’s', async (t) => {
  const poisoner = await openUpstream((socket, _text, index) =>
    socket.write(index === 0 ? okReply('mine') + okReply('poison') : okReply('clean')),
  )
  const own = await openStand(poisoner.url)
  t.after(async () => {
    await own.close()
    await poisoner.close()
  })
  const first = new RawClient(own.port).send(get('/billing/health'))
  assert.equal((await first.reply()).body, 'mine')
  const second = new RawClient(own.port).send(get('/billing/health'))
  assert.equal((await second.reply()).body, 'clean')
  first.destroy()
  second.destroy()
})
