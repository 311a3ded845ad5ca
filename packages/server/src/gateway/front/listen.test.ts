import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { readLimits } from './limits.ts'
import type { GatewayLimits } from './limits.ts'
import { createFrontServer } from './listen.ts'
import { ask, get, listenOn, RawClient, until } from '../../../../../test/gateway/stand.ts'

test('each request is served once', async (t) => {
  const { port, served } = await open(t)
  assert.equal((await ask(port, get('/a'))).status, 200)
  assert.deepEqual(served, ['/a'])
})

test('CONNECT is answered and closed', async (t) => {
  const { port, served } = await open(t)
  const client = new RawClient(port).send(
    'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n',
  )
  assert.equal((await client.reply()).status, 501)
  assert.equal(await client.end(), '')
  assert.deepEqual(served, [])
})

const malformed: Readonly<Record<string, readonly [text: string, status: number]>> = {
  'no HTTP at all': ['\x16\x03\x01\x02\x00\x01\x00\x01', 400],
  'HTTP/2 prior knowledge': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  'a method of lower case': ['get / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  'NUL in a header (CVE-2019-9900)': ['GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n', 400],
  'a folded header': ['GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n', 400],
  'a space before the colon': ['GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n', 400],
  'bare line feeds': ['GET / HTTP/1.1\nHost: a\n\n', 400],
  'a bare carriage return': ['GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n', 400],
  'both lengths': [
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    400,
  ],
  'two lengths': ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
  'an empty length (HAProxy CVE-2023-40225)': ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n', 400],
  'an empty header name (HAProxy CVE-2023-25725)': ['GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n', 400],
  'a head that is too long': [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`, 431],
}
for (const [name, [text, status]] of Object.entries(malformed)) {
  test(`${name}: ${status}, and the connection is closed`, async (t) => {
    const { port, served } = await open(t)
    const client = new RawClient(port).send(text)
    const reply = await client.reply()
    assert.equal(reply.status, status)
    assert.equal(reply.headers['connection'], 'close')
    assert.ok(reply.body.length > 0 && !reply.body.includes('\n'))
    assert.equal(await client.end(), '')
    assert.deepEqual(served, [])
  })
}

test('a head that does not come is not waited for', async (t) => {
  const { port } = await open(t, { requestHeadMs: 150 })
  const client = new RawClient(port).send('GET / HTTP/1.1\r\nHost: a\r\nX: ')
  assert.equal((await client.reply()).status, 408)
  await client.end()
})

test('an idle connection is closed after its time', async (t) => {
  const { port } = await open(t, { clientKeepAliveMs: 50 })
  const client = new RawClient(port).send(get('/a'))
  await client.reply()
  const began = performance.now()
  await client.end(30_000)
  // Node adds a second for replies on their way; by itself it would be a minute.
  assert.ok(performance.now() - began < 20_000)
})

test('an expectation other than 100-continue fails', async (t) => {
  const { port, served } = await open(t)
  const client = new RawClient(port).send(
    'POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n',
  )
  assert.equal((await client.reply()).status, 417)
  await client.end()
  assert.deepEqual(served, [])
})

test('who expects 100-continue is served as such', async (t) => {
  const { port, served } = await open(t)
  const client = new RawClient(port)
  client.send('POST /c HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n')
  assert.equal((await client.reply()).status, 200)
  assert.deepEqual(served, ['/c expects'])
})

test('a parser error in a body that is being read ends the turn', async (t) => {
  const { port, aborts, held } = await open(t)
  const client = new RawClient(port).send(
    'POST /hold HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
  )
  await until(() => held.length > 0, 'the request is served')
  client.send('zz\r\n')
  assert.equal((await client.reply()).status, 400)
  await client.end()
  assert.deepEqual(aborts, ['/hold'])
})

async function open(
  t: TestContext,
  limits: Partial<GatewayLimits> = {},
): Promise<{ port: number; served: string[]; held: string[]; aborts: string[] }> {
  const served: string[] = []
  const held: string[] = []
  const aborts: string[] = []
  const { server, close } = createFrontServer(
    readLimits({ drainMs: 0, ...limits }),
    (client, request, response, expectsContinue) => {
      const { url = '' } = request
      if (url === '/hold') {
        request.resume()
        held.push(url)
        client.begin({ replying: false, abort: () => void aborts.push(url) })
        return
      }
      served.push(expectsContinue ? `${url} expects` : url)
      response.end('ok')
    },
  )
  const port = await listenOn(server)
  t.after(() => close())
  return { port, served, held, aborts }
}
