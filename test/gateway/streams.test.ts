import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { ask, get, openStand, openUpstream, RawClient, until } from './stand.ts'
import type { Script } from './stand.ts'

test('server-sent events arrive one by one, as they are sent', async (t) => {
  let send: (text: string) => void = () => undefined
  const { stand } = await open(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n')
    send = (text) => socket.write(`${text.length.toString(16)}\r\n${text}\r\n`)
  })
  const client = new RawClient(stand.port).send(get('/billing/health'))
  await until(() => client.received.includes('text/event-stream'), 'the head, before any event')
  for (let i = 0; i < 5; i++) {
    send(`data: ${i}\n\n`)
    await until(() => client.received.includes(`data: ${i}\n\n`), 'the event')
  }
  client.destroy()
})

test('what is compressed passes as it is, both ways', async (t) => {
  const packed = gzipSync('x'.repeat(10_000))
  const head = ['HTTP/1.1 200 OK', 'Content-Encoding: gzip', 'ETag: "a"', `Content-Length: ${packed.length}`]
  const upstream = await openUpstream((socket) =>
    socket.write(Buffer.concat([Buffer.from(head.join('\r\n') + '\r\n\r\n'), packed])),
  )
  const stand = await openStand(upstream.url)
  t.after(() => Promise.all([stand.close(), upstream.close()]))
  const reply = await ask(stand.port, get('/billing/health', 'Accept-Encoding: gzip, br'))
  assert.deepEqual([reply.headers['content-encoding'], reply.headers['etag']], ['gzip', '"a"'])
  assert.ok(Buffer.from(reply.body, 'latin1').equals(packed))
  assert.match(upstream.requests[0]!, /^Accept-Encoding: gzip, br\r$/m)
  const post = get('/billing/open', 'Content-Encoding: gzip', `Content-Length: ${packed.length}`)
  await ask(stand.port, post.replace('GET', 'POST') + packed.toString('latin1'))
  assert.match(upstream.requests[1]!, /^Content-Encoding: gzip\r$/m)
  assert.ok(upstream.requests[1]!.endsWith(packed.toString('latin1')))
})

test('trailers are dropped, of replies and of requests', async (t) => {
  const reply =
    'HTTP/1.1 200 OK\r\nTrailer: X-Late\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Late: 1\r\n\r\n'
  const { stand, upstream } = await open(
    t,
    (socket, text) => text.endsWith('0\r\n\r\n') && socket.write(reply),
  )
  const client = new RawClient(stand.port).send(
    'POST /billing/open HTTP/1.1\r\nHost: a\r\nTrailer: X-Role\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Role: admin\r\n\r\n',
  )
  const { body, headers } = await client.reply()
  assert.deepEqual([body, headers['trailer'], client.received], ['ok', undefined, ''])
  assert.ok(!/x-role/i.test(upstream.requests.join('')), upstream.requests.join(''))
  client.destroy()
})

async function open(t: TestContext, script: Script) {
  const upstream = await openUpstream(script)
  const stand = await openStand(upstream.url)
  t.after(async () => {
    await stand.close()
    await upstream.close()
  })
  return { stand, upstream }
}
