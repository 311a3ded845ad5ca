import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:http2'
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { headersOf, requestOf } from './http2-stream.ts'

test('a request as HTTP/1.1 would have it', async (t) => {
  const request = await ask(t, {
    ':path': '/a?b',
    ':method': 'GET',
    'x-name': 'caf\xe9',
    cookie: ['a=1', 'b=2'],
  })
  assert.deepEqual([request.method, request.url, request.httpVersionMajor], ['GET', '/a?b', 1])
  assert.equal(request.rawHeaders[0], 'Host')
  assert.deepEqual(request.rawHeaders.slice(2), ['x-name', 'caf\xe9', 'cookie', 'a=1; b=2'])
})

test('a body of no told length is a chunked one, and none is none', async (t) => {
  const chunked = await ask(t, { ':path': '/', ':method': 'POST' }, false)
  assert.deepEqual(chunked.rawHeaders.slice(-2), ['Transfer-Encoding', 'chunked'])
  const counted = await ask(t, { ':path': '/', ':method': 'POST', 'content-length': '3' }, false)
  assert.deepEqual(counted.rawHeaders.slice(-2), ['content-length', '3'])
  const none = await ask(t, { ':path': '/', ':method': 'POST' })
  assert.equal(none.rawHeaders.length, 2)
})

test('a second name for the host must say the same', async (t) => {
  const same = await ask(t, { ':path': '/', ':authority': 'a.example', host: 'a.example' })
  assert.deepEqual(same.rawHeaders, ['Host', 'a.example'])
  const other = await ask(t, { ':path': '/', ':authority': 'a.example', host: 'b.example' })
  assert.deepEqual(other.rawHeaders, ['Host', 'a.example', 'host', 'b.example'])
})

test('another scheme than our own has no method, which the gate refuses', async (t) => {
  assert.equal((await ask(t, { ':path': '/', ':scheme': 'http' })).method, undefined)
  assert.equal((await ask(t, { ':path': '*', ':method': 'OPTIONS' })).url, '*')
})

test('headers of a reply: lower case, repeated ones kept, those of a connection left out', () => {
  assert.deepEqual(
    {
      ...headersOf(204, [
        'X-A',
        '1',
        'x-a',
        '2',
        'X-A',
        '3',
        'Connection',
        'close',
        'Transfer-Encoding',
        'chunked',
      ]),
    },
    { ':status': 204, 'x-a': ['1', '2', '3'] },
  )
})

/** What a real server is told of a real client's request. */
async function ask(t: TestContext, headers: OutgoingHttpHeaders, ended = true) {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.after(() => {
    session.destroy()
    server.close()
  })
  const told = once(server, 'stream') as Promise<[ServerHttp2Stream, IncomingHttpHeaders, number, string[]]>
  session.request({ ':scheme': 'https', ...headers }, { endStream: ended }).on('error', () => undefined)
  const [stream, received, , rawHeaders] = await told
  stream.on('error', () => undefined)
  return requestOf(stream, received, rawHeaders, ended)
}
