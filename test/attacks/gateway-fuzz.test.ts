import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { ask, get, listenOn, openStand, RawClient } from '../gateway/stand.ts'
import type { Stand } from '../gateway/stand.ts'

// Requests that are almost right, in any number of ways at once. Whatever the gateway makes of them: what reaches the
// service is a request that Node's strict parser takes, to an open route, with our headers and nobody else's; and the
// gateway is there afterwards. More runs than usual: FUZZ_RUNS=20000.

type Seen = { readonly method: string; readonly url: string; readonly rawHeaders: readonly string[] }

const seen: Seen[] = []
let reached = 0
// Of what was made in a hook the test runner tells such an error and fails nothing; a gateway would have ended.
const uncaught: unknown[] = []
process.on('uncaughtException', (error) => uncaught.push(error))
const malformed: string[] = []
let stand: Stand

const upstream = createServer((request, response) => {
  reached += 1
  seen.push({ method: request.method ?? '', url: request.url ?? '', rawHeaders: request.rawHeaders })
  request.resume()
  request.on('end', () => response.end('ok'))
})
// A client that leaves takes its upstream connection with it, in the middle of whatever was being sent, either way.
const left: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'HPE_INVALID_EOF_STATE'])
upstream.on('clientError', (error: NodeJS.ErrnoException, socket) => {
  if (!left.has(error.code)) malformed.push(error.message)
  socket.destroy()
})

before(async () => {
  stand = await openStand(`http://127.0.0.1:${await listenOn(upstream)}`)
})
after(async () => {
  await stand.close()
  upstream.closeAllConnections()
  upstream.close()
})

test('almost right requests: what reaches the service is right', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof({ weight: 2, arbitrary: right }, almost, { weight: 2, arbitrary: answeredAtOnce }), {
        minLength: 1,
        maxLength: 3,
      }),
      async (texts) => {
        seen.length = 0
        const client = new RawClient(stand.port).send(texts.join(''))
        await quiet(client)
        client.destroy()
        for (const request of seen) assertOurs(request)
        assert.deepEqual(malformed, [])
      },
    ),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 250) },
  )
  assert.deepEqual(uncaught, [])
  assert.ok(reached > 50, `only ${reached} requests came through`)
  assert.equal((await ask(stand.port, get('/billing/health'))).body, 'ok')
})

function assertOurs({ method, url, rawHeaders }: Seen): void {
  const told = JSON.stringify({ method, url, rawHeaders })
  assert.ok(['/health', '/open', '/'].includes(url.split('?', 1)[0]!), told)
  const names = rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())
  assert.ok(!names.some((name) => name.startsWith('countersign') || name.includes('_')), told)
  assert.ok(!names.includes('expect') && !names.includes('upgrade') && !names.includes('te'), told)
  for (const name of ['host', 'x-forwarded-for', 'x-forwarded-proto']) {
    assert.equal(names.filter((one) => one === name).length, 1, told)
  }
  assert.ok(
    names.filter((name) => name === 'content-length' || name === 'transfer-encoding').length <= 1,
    told,
  )
  assert.equal(rawHeaders[names.indexOf('x-forwarded-for') * 2 + 1], '127.0.0.1', told)
  assert.match(rawHeaders[names.lastIndexOf('via') * 2 + 1] ?? '', /^1\.1 countersign-[0-9a-f]{8}$/, told)
}

/** Until the connection is closed, or a reply has come and nothing more for a moment, or nothing at all for long. */
async function quiet(client: RawClient): Promise<void> {
  let length = -1
  for (let i = 0; i < 8 && !client.closed; i++) {
    if (client.received.length > 0 && client.received.length === length) return
    length = client.received.length
    await new Promise((resolve) => setTimeout(resolve, 4))
  }
}

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\nVia: 1.1 countersign-00000000\r\n\r\n'

const lines = fc.constantFrom(
  'Host: gateway.test',
  'Host: other.test',
  'host:a',
  'Content-Length: 0',
  'Content-Length: 5',
  `Content-Length: ${smuggled.length}`,
  'Transfer-Encoding: chunked',
  'transfer-encoding: Chunked',
  'Transfer-Encoding: identity',
  'Connection: close',
  'Connection: keep-alive, X-A',
  'Connection: Content-Length',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'Expect: 100-continue',
  'TE: trailers',
  'X-A: b',
  'X_A: b',
  'Countersign-Subject: root',
  'Countersign_Subject: root',
  'X-Forwarded-For: 1.1.1.1',
  'X-Forwarded-Proto: https',
  'Via: 1.1 other',
  'Authorization: Bearer x',
  'Content-Type: a/b',
  ' folded',
  '',
)

const bodies = fc.constantFrom(
  '',
  'hello',
  smuggled,
  `0\r\n\r\n${smuggled}`,
  `5\r\nhello\r\n0\r\n\r\n`,
  '5\r\nhel',
)

const whole = fc
  .record({
    method: fc.constantFrom(
      'GET',
      'POST',
      'HEAD',
      'OPTIONS',
      'PUT',
      'TRACE',
      'CONNECT',
      'PRI',
      'G\0T',
      'get',
    ),
    target: fc.constantFrom(
      '/billing/health',
      '/billing/health',
      '/billing/open',
      '/billing/open',
      '/billing',
      '/billing/invoices/7',
      '/billing/health?a=b',
      'http://gateway.test/billing/health',
      '*',
      '/billing/../smuggled',
      '/billing//smuggled',
      '/billing/%2e%2e/smuggled',
      'billing',
    ),
    version: fc.constantFrom(...Array<string>(12).fill('HTTP/1.1'), 'HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', ''),
    headers: fc.array(lines, { maxLength: 3 }),
    body: bodies,
  })
  .map(({ method, target, version, headers, body }) =>
    [`${method} ${target} ${version}`, 'Host: gateway.test', ...headers, '', body].join('\r\n'),
  )

/** A request to an open route whose body is what its head says, whatever stands in it. */
const right = fc
  .record({
    headers: fc.array(
      fc.constantFrom(
        'X-A: b',
        'X_A: b',
        'Countersign-Subject: root',
        'X-Forwarded-For: 1.1.1.1',
        'TE: trailers',
        'Via: 1.1 other',
      ),
      { maxLength: 3 },
    ),
    body: bodies,
    framing: fc.constantFrom('none', 'counted', 'chunked'),
  })
  .map(({ headers, body, framing }) => {
    if (framing === 'none')
      return ['GET /billing/health HTTP/1.1', 'Host: gateway.test', ...headers, '', ''].join('\r\n')
    const head = ['POST /billing/open HTTP/1.1', 'Host: gateway.test', ...headers]
    if (framing === 'counted') return [...head, `Content-Length: ${body.length}`, '', body].join('\r\n')
    const chunk = body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`
    return [...head, 'Transfer-Encoding: chunked', '', `${chunk}0\r\n\r\n`].join('\r\n')
  })

/** What needs no upstream: its reply is still leaving when the next request is read. */
const answeredAtOnce = fc.constantFrom(
  get('/billing/nothing'),
  get('/.well-known/countersign/livez'),
  get(
    '/billing/health',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  ),
)

/** A few characters put in, taken out or replaced, among them those that parsers trip over. */
const almost = fc
  .tuple(
    fc.oneof(whole, right),
    fc.array(
      fc.tuple(
        fc.nat(400),
        fc.constantFrom('', '\r', '\n', '\r\n', '\0', ' ', '\t', ':', ',', ';', '#', '\xff', '0'),
        fc.nat(2),
      ),
      { maxLength: 1 },
    ),
  )
  .map(([text, edits]) =>
    edits.reduce((edited, [at, put, take]) => edited.slice(0, at) + put + edited.slice(at + take), text),
  )
