import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage, RequestListener, Server } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { Http2ServerRequest, Http2ServerResponse, IncomingHttpHeaders } from 'node:http2'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { generateSigningKey, verificationKey } from '../jwt/key-readers.ts'
import { createKeySet } from '../jwt/key-set.ts'
import type { KeySet } from '../jwt/key-set.ts'
import { createSigner } from '../jwt/signer.ts'
import { Problem } from '../core/problem.ts'
import type { Policy } from '../policy/policy.ts'
import { createGuard } from './guard.ts'
import { guardNode } from './node.ts'
import { readRoutes } from './routes.ts'

const issuer = 'https://issuer.example'
const key = generateSigningKey('ES256')
const claims = { iss: issuer, aud: 'billing', exp: Math.floor(Date.now() / 1000) + 600, sub: 'orders' }
const token = createSigner({ key }).sign({ ...claims, roles: ['reader'] })
const keySet = createKeySet([verificationKey(key)])
const guard = createGuard({ issuer, audience: 'billing', keySet })
const routes = readRoutes({
  'GET /health': 'open',
  'GET /invoices/{id}': { roles: 'reader' },
  'POST /invoices': { roles: 'reader' },
  'DELETE /invoices/{id}': { roles: 'admin' },
})

const servers: Server[] = []
after(() => {
  for (const server of servers) {
    server.close()
    server.closeAllConnections()
  }
})

let reached: string[] = []
const port = await listen(
  guardNode(guard, routes, (request, response, auth, { route, params }) => {
    reached.push(request.url!)
    if (request.method === 'POST') {
      let bytes = 0
      request
        .on('data', (chunk: Buffer) => (bytes += chunk.length))
        .on('end', () => response.end(String(bytes)))
      return
    }
    response.end(JSON.stringify({ subject: auth?.subject, route, params }))
  }),
)

test('a good token passes, and the listener learns who acts and where', async () => {
  const reply = await ask(port, 'GET', '/invoices/7%20x', { authorization: `Bearer ${token}` })
  assert.equal(reply.status, 200)
  assert.deepEqual(JSON.parse(reply.body), {
    subject: 'orders',
    route: '/invoices/{id}',
    params: { id: '7 x' },
  })
})

test('an open route needs nothing', async () => {
  assert.deepEqual(JSON.parse((await ask(port, 'GET', '/health')).body), { route: '/health', params: {} })
})

test('the listener reads the whole body of an allowed request', async () => {
  const reply = await ask(
    port,
    'POST',
    '/invoices',
    { authorization: `Bearer ${token}` },
    Buffer.alloc(300_000),
  )
  assert.equal(reply.body, '300000')
})

for (const [method, path, headers, status, body, challenge] of [
  ['GET', '/invoices/7', {}, 401, 'No Authorization Token provided', 'Bearer realm="countersign"'],
  [
    'GET',
    '/invoices/7',
    { authorization: 'Bearer x' },
    401,
    'Invalid Token',
    'Bearer realm="countersign", error="invalid_token", error_description="Invalid Token"',
  ],
  [
    'DELETE',
    '/invoices/7',
    { authorization: `Bearer ${token}` },
    403,
    'Forbidden',
    'Bearer realm="countersign", error="insufficient_scope", error_description="Forbidden"',
  ],
  ['GET', '/nothing', {}, 404, 'Not Found', undefined],
  ['PUT', '/health', {}, 405, 'Method Not Allowed', undefined],
  ['GET', '/health/%2e%2e/invoices/7', {}, 400, 'Ambiguous Path', undefined],
  ['GET', '//health', {}, 400, 'Ambiguous Path', undefined],
  ['GET', 'http://127.0.0.1/health', {}, 400, 'Malformed Request', undefined],
  ['OPTIONS', '*', {}, 400, 'Malformed Request', undefined],
] as const) {
  test(`${method} ${path} ${JSON.stringify(headers).replace(token, '…')} is answered ${status}`, async () => {
    reached = []
    const reply = await ask(port, method, path, headers)
    assert.equal(reply.status, status)
    assert.equal(reply.body, body)
    assert.equal(reply.headers['www-authenticate'], challenge)
    assert.equal(reply.headers['content-type'], 'text/plain; charset=utf-8')
    assert.equal(reply.headers['cache-control'], 'no-store')
    assert.equal(reply.headers['allow'], status === 405 ? 'GET, HEAD' : undefined)
    assert.deepEqual(reached, [], 'the listener never hears of it')
  })
}

test('two Authorization headers, of which node would show the first', async () => {
  const text = await raw(
    port,
    `GET /invoices/7 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nAuthorization: Bearer other\r\n\r\n`,
  )
  assert.match(text, /^HTTP\/1\.1 400 /)
  assert.match(text, /error="invalid_request"/)
})

test('HEAD gets the headers of a refusal and no body', async () => {
  const reply = await ask(port, 'HEAD', '/invoices/7')
  assert.equal(reply.status, 401)
  assert.equal(reply.headers['content-length'], String('No Authorization Token provided'.length))
  assert.equal(reply.body, '')
})

test('a problem document for those who ask for JSON', async () => {
  const reply = await ask(port, 'GET', '/invoices/7', { accept: 'application/json' })
  assert.equal(reply.headers['content-type'], 'application/problem+json')
  assert.equal((JSON.parse(reply.body) as { status: number }).status, 401)
})

test('after a refusal with a short body the connection serves the next request', async () => {
  const text = await raw(
    port,
    'POST /invoices HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello' +
      'GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  )
  assert.match(text, /^HTTP\/1\.1 401 /)
  assert.match(text, /HTTP\/1\.1 200 OK[^]*"route":"\/health"/)
})

test('a refused upload gets its answer although nobody reads it, and the connection is closed', async () => {
  for (const framing of [`Content-Length: ${50 * 1024 * 1024}`, 'Transfer-Encoding: chunked']) {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
    socket.on('error', () => {})
    socket.write(`POST /invoices HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n`)
    const chunk = Buffer.alloc(64 * 1024, 'a')
    let sent = 0
    const pump = (): void => {
      while (!socket.destroyed && sent < 400) {
        sent++
        if (framing.startsWith('T')) socket.write('10000\r\n')
        const more = socket.write(chunk)
        if (framing.startsWith('T')) socket.write('\r\n')
        if (!more) return void socket.once('drain', pump)
      }
    }
    pump()
    await new Promise((resolve) => socket.on('close', resolve))
    assert.match(text, /^HTTP\/1\.1 401 [^]*No Authorization Token provided$/, framing)
    assert.match(text, /connection: close/i)
    assert.ok(sent < 400, `${sent} chunks were taken from somebody unknown`)
  }
})

test('keys that must be fetched: the request waits, and body and response are as they were', async () => {
  const pending = Promise.withResolvers<void>()
  const slow = await listen(
    guardNode(
      createGuard({ issuer, audience: 'billing', keySet: waiting(pending.promise) }),
      'authenticated',
      (request, response, auth) => {
        request.pipe(response)
        response.setHeader('x-subject', auth.subject!)
      },
    ),
  )
  const reply = ask(slow, 'POST', '/x', { authorization: `Bearer ${token}` }, Buffer.from('the body'))
  await new Promise((resolve) => setTimeout(resolve, 20))
  pending.resolve()
  assert.equal((await reply).body, 'the body')
  assert.equal((await reply).headers['x-subject'], 'orders')
})

test('keys that cannot be had: 503 and when to come back', async () => {
  const failure = Promise.reject(new Problem('keys-unavailable', 'inside only', { retryAfterSeconds: 9 }))
  failure.catch(() => {})
  const broken = createGuard({ issuer, audience: 'billing', keySet: waiting(failure) })
  const down = await listen(guardNode(broken, 'authenticated', () => assert.fail('must not be reached')))
  const reply = await ask(down, 'GET', '/x', { authorization: `Bearer ${token}` })
  assert.equal(reply.status, 503)
  assert.equal(reply.headers['retry-after'], '9')
  assert.equal(reply.headers['www-authenticate'], undefined)
  assert.equal(reply.body, 'Service Unavailable, please try again')
})

test('who leaves while the keys are on their way is not served', async () => {
  const pending = Promise.withResolvers<void>()
  let served = 0
  const own = createGuard({ issuer, audience: 'billing', keySet: waiting(pending.promise) })
  const slow = await listen(guardNode(own, 'authenticated', () => void served++))
  const request = httpRequest({
    port: slow,
    host: '127.0.0.1',
    headers: { authorization: `Bearer ${token}` },
  })
  request.on('error', () => {}).end()
  const server = servers.at(-1)!
  await once(server, 'request')
  const gone = once(server, 'gone')
  request.destroy()
  await gone
  pending.resolve()
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(served, 0)
})

test('a guard that fails unexpectedly lets nobody in', async () => {
  const failing = {
    ...guard,
    check: () => {
      throw new TypeError('a bug')
    },
    answerProblem: guard.answerProblem.bind(guard),
  }
  const down = await listen(
    guardNode(failing as unknown as typeof guard, 'authenticated', () => assert.fail()),
  )
  assert.equal((await ask(down, 'GET', '/x', { authorization: `Bearer ${token}` })).status, 503)
})

test('a refusal that comes by a promise of another realm is a refusal', async () => {
  const elsewhere = runInNewContext('(value) => Promise.resolve(value)') as <T>(value: T) => Promise<T>
  const foreign = {
    ...guard,
    check: (...asked: Parameters<typeof guard.check>) => elsewhere(guard.check(...asked)),
    answer: guard.answer.bind(guard),
  }
  const away = await listen(
    guardNode(foreign as unknown as typeof guard, 'authenticated', () => assert.fail('let through')),
  )
  assert.equal((await ask(away, 'GET', '/x', {})).status, 401)
})

test('HTTP/2 through node’s compatible request and response', async (t) => {
  const listener = guardNode(guard, 'authenticated', (request, response, auth) => {
    request.resume()
    response.end(auth.subject)
  })
  const server = createHttp2Server(
    listener as unknown as (request: Http2ServerRequest, response: Http2ServerResponse) => void,
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.after(() => {
    session.destroy()
    server.close()
  })
  for (const [headers, status, body] of [
    [{ ':path': '/x', authorization: `Bearer ${token}` }, 200, 'orders'],
    [{ ':path': '/x' }, 401, 'No Authorization Token provided'],
    [{ ':path': '/x/../y', authorization: `Bearer ${token}` }, 400, 'Ambiguous Path'],
    [
      { ':path': '/x', ':method': 'POST', 'content-length': '9000000' },
      401,
      'No Authorization Token provided',
    ],
  ] as const) {
    const stream = session.request(headers).setEncoding('utf8')
    let text = ''
    stream.on('data', (chunk: string) => (text += chunk)).on('error', () => {})
    // Both may come in one packet.
    const ended = once(stream, 'end')
    const [reply] = (await once(stream, 'response')) as [IncomingHttpHeaders]
    await ended
    stream.close()
    assert.equal(reply[':status'], status)
    assert.equal(text, body)
  }
})

test('a misspelt requirement is refused when the service starts', () => {
  const misspelt = { rols: 'reader' } as unknown as Policy
  assert.throws(() => guardNode(guard, misspelt, () => assert.fail()), { code: 'option-unknown' })
})

async function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  server.on('connection', (socket) => socket.on('close', () => setImmediate(() => server.emit('gone'))))
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A real key set whose keys arrive when `ready` does. */
function waiting(ready: Promise<void>): KeySet {
  let arrived = false
  return {
    generation: 1,
    get checkAfterMs() {
      return arrived ? Number.POSITIVE_INFINITY : 0
    },
    find: (keyId, algorithm, nowMs) => (arrived ? keySet.find(keyId, algorithm, nowMs) : 'fetch'),
    load: async () => {
      await ready
      arrived = true
    },
  }
}

type Reply = { status: number; headers: IncomingMessage['headers']; body: string }

async function ask(to: number, method: string, path: string, headers = {}, body?: Buffer): Promise<Reply> {
  const request = httpRequest({ host: '127.0.0.1', port: to, method, path, headers, agent: false })
  request.end(body)
  const [reply] = (await once(request, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of reply.setEncoding('utf8')) text += chunk
  return { status: reply.statusCode!, headers: reply.headers, body: text }
}

async function raw(to: number, text: string): Promise<string> {
  const socket = connect(to, '127.0.0.1')
  let reply = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (reply += chunk))
  socket.write(text)
  const timer = setTimeout(() => socket.end(), 300)
  await once(socket, 'close')
  clearTimeout(timer)
  return reply
}
