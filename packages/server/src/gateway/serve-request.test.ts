import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createSigner, generateSigningKey } from '@countersign/sdk/jwt'
import {
  ask,
  bearer,
  get,
  okReply,
  openStand,
  openUpstream,
  RawClient,
  standIssuer,
  until,
} from '../../../../test/gateway/stand.ts'
import type {
  RawReply,
  Script,
  ScriptedUpstream,
  Stand,
  StandOptions,
} from '../../../../test/gateway/stand.ts'

test('an allowed request goes through with the identity, and without the prefix', async (t) => {
  const { stand, upstream } = await open(t)
  const reply = await ask(stand.port, get('/billing/invoices/7?page=2', bearer(stand.token()), 'X-Trace: 1'))
  assert.equal(reply.body, 'ok')
  const [requestLine, ...lines] = upstream.requests[0]!.split('\r\n')
  assert.equal(requestLine, 'GET /invoices/7?page=2 HTTP/1.1')
  assert.equal(lines[0], `Host: ${new URL(upstream.url).host}`)
  for (const line of [
    'X-Trace: 1',
    'X-Forwarded-For: 127.0.0.1',
    'X-Forwarded-Proto: http',
    'X-Forwarded-Host: gateway.test',
    'Countersign-Subject: orders',
    'Countersign-Roles: ["reader"]',
  ]) {
    assert.ok(lines.includes(line), line)
  }
  assert.ok(lines.some((line) => line.startsWith('Authorization: Bearer ey')))
})

test('the prefix is taken off by whole segments', async (t) => {
  const { stand, upstream } = await open(t)
  for (const [target, expected] of [
    ['/billing', 'GET / HTTP/1.1'],
    ['/billing/', 'GET / HTTP/1.1'],
    ['/%62illing/health', 'GET /health HTTP/1.1'],
    ['/billing?x=1', 'GET /?x=1 HTTP/1.1'],
  ] as const) {
    await ask(stand.port, get(target))
    assert.equal(upstream.requests.at(-1)!.split('\r\n')[0], expected, target)
  }
})

test('the path that was authorised is the path that is asked for', async (t) => {
  const { stand, upstream } = await open(t)
  await ask(stand.port, get('/billing/files/a%20b/%7ec', bearer(stand.token())))
  assert.equal(upstream.requests[0]!.split('\r\n')[0], 'GET /files/a%20b/~c HTTP/1.1')
})

test('an upstream with a path of its own gets it in front', async (t) => {
  const upstream = await openUpstream()
  const stand = await openStand(`${upstream.url}/v2/`)
  t.after(async () => {
    await stand.close()
    await upstream.close()
  })
  await ask(stand.port, get('/billing/health'))
  assert.equal(upstream.requests[0]!.split('\r\n')[0], 'GET /v2/health HTTP/1.1')
})

test('what is refused, and how', async (t) => {
  const { stand, upstream } = await open(t)
  const reader = bearer(stand.token())
  const expired = bearer(stand.token({ exp: Math.floor(Date.now() / 1000) - 60 }))
  const invalid = 'error="invalid_token"'
  const cases: readonly (readonly [
    name: string,
    request: string,
    status: number,
    body: string,
    challenge: string,
  ])[] = [
    ['no token', get('/billing/invoices/7'), 401, 'No Authorization Token provided', 'Bearer realm="acme"'],
    [
      'another scheme',
      get('/billing/invoices/7', 'Authorization: Basic eDp5'),
      401,
      'No Authorization Token provided',
      'Bearer realm="acme"',
    ],
    [
      'nothing behind Bearer',
      get('/billing/invoices/7', 'Authorization: Bearer'),
      400,
      'Malformed Authorization',
      'invalid_request',
    ],
    ['not a token', get('/billing/invoices/7', 'Authorization: Bearer x.y'), 401, 'Invalid Token', invalid],
    [
      'two tokens',
      get('/billing/invoices/7', reader, reader),
      400,
      'More than one Authorization Token provided',
      'invalid_request',
    ],
    [
      'too long',
      get('/billing/invoices/7', `Authorization: Bearer ${'x'.repeat(17_000)}`),
      400,
      'Authorization Token too long',
      'invalid_request',
    ],
    ['expired', get('/billing/invoices/7', expired), 401, 'Expired token', invalid],
    [
      'for another',
      get('/billing/invoices/7', bearer(stand.token({ aud: 'https://x' }))),
      401,
      'invalid aud',
      invalid,
    ],
    [
      'by another',
      get('/billing/invoices/7', bearer(stand.token({ iss: 'https://x' }))),
      401,
      'invalid iss',
      invalid,
    ],
    ['signed by another', get('/billing/invoices/7', bearer(foreignToken())), 401, 'Invalid Token', invalid],
    [
      'the role is missing',
      get('/billing/invoices/7', bearer(stand.token({ roles: ['guest'] }))),
      403,
      'Forbidden',
      'insufficient_scope',
    ],
    [
      'the scope is missing',
      post('/billing/invoices', reader),
      403,
      'Insufficient Scope',
      'scope="invoices:write"',
    ],
    ['no such route', get('/billing/none', reader), 404, 'Not Found', ''],
    ['no such service', get('/none', reader), 404, 'Not Found', ''],
    ['no such method', post('/billing/health', reader), 405, 'Method Not Allowed', ''],
    ['an ambiguous path', get('/billing/../health', reader), 400, 'Ambiguous Path', ''],
  ]
  for (const [name, request, status, body, challenge] of cases) {
    const reply = await ask(stand.port, request)
    assert.equal(reply.status, status, name)
    assert.equal(reply.body, body, name)
    const header = reply.headers['www-authenticate'] ?? ''
    assert.ok(challenge === '' ? header === '' : header.includes(challenge), `${name}: ${header}`)
    if (challenge === 'Bearer realm="acme"') assert.equal(header, challenge)
  }
  assert.equal((await ask(stand.port, post('/billing/health', reader))).headers['allow'], 'GET, HEAD')
  assert.deepEqual(upstream.requests, [])
})

test('who wants JSON gets a problem document', async (t) => {
  const { stand } = await open(t)
  const reply = await ask(stand.port, get('/billing/invoices/7', 'Accept: application/json'))
  assert.equal(reply.headers['content-type'], 'application/problem+json')
  assert.equal((JSON.parse(reply.body) as { status: number }).status, 401)
})

test('a refused upload hears the refusal, and a refused small one keeps its connection', async (t) => {
  const { stand } = await open(t, undefined, { limits: { unreadMs: 60_000 } })
  const client = new RawClient(stand.port)
  const head = 'POST /billing/invoices HTTP/1.1\r\nHost: a\r\nContent-Length: '
  for (let i = 0; i < 2; i++) {
    client.send(`${head}5\r\n\r\nhello`)
    assert.equal((await client.reply()).status, 401)
  }
  client.send(`${head}2000000\r\n\r\n${'x'.repeat(10_000)}`)
  assert.equal((await client.reply()).status, 401)
  client.send('x'.repeat(1_990_000))
  assert.equal((await client.send(get('/billing/health')).reply()).status, 200)
  client.destroy()
})

test('every decision is recorded, without the token', async (t) => {
  const { stand } = await open(t)
  const token = stand.token({ roles: ['guest'] })
  await ask(stand.port, get('/billing/invoices/7?secret=1', bearer(token)))
  const [{ requestId, ...record } = { requestId: '' }] = stand.decisions
  assert.ok(requestId.length > 0)
  assert.deepEqual(record, {
    outcome: 'deny',
    method: 'GET',
    path: '/billing/invoices/7',
    service: 'billing',
    route: 'GET /invoices/{id}',
    line: 13,
    status: 403,
    reason: 'role-missing',
    detail: 'needs role "reader"',
    issuer: standIssuer,
    subject: 'orders',
    clientId: 'orders',
    tokenId: 'token-1',
    keyId: 'test-1',
  })
  await ask(stand.port, get('/billing/invoices/7', bearer(stand.token())))
  await ask(stand.port, get('/billing/../x'))
  assert.deepEqual(
    stand.decisions.map(({ outcome, reason }) => [outcome, reason]),
    [
      ['deny', 'role-missing'],
      ['allow', undefined],
      ['deny', 'path-ambiguous'],
    ],
  )
  assert.ok(!JSON.stringify(stand.decisions).includes(token.slice(-20)))
})

test('what is declined before any rule, and what is no request at all, are recorded as well', async (t) => {
  const upstream = await openUpstream()
  const stand = await openStand(upstream.url, { service: { bodyLimitBytes: 10 } })
  t.after(() => Promise.all([stand.close(), upstream.close()]))
  const upgrade = ['Connection: Upgrade', 'Upgrade: websocket']
  for (const [text, status, detail] of [
    [get('/billing/health', ...upgrade), 501, /upgrade|WebSocket/],
    [get('/billing/health').replace('GET', 'TRACE'), 501, /a method/],
    [`POST /billing/open HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world`, 413, /longer body/],
    [
      get('/billing/health', 'Content-Length: 1', 'Transfer-Encoding: chunked'),
      400,
      /no request of HTTP: HPE_/,
    ],
    [get('/billing/health', `X-Long: ${'x'.repeat(40_000)}`), 431, /HPE_HEADER_OVERFLOW/],
  ] as const) {
    const before = stand.decisions.length
    assert.equal((await ask(stand.port, text)).status, status)
    const [record, ...more] = stand.decisions.slice(before)
    assert.deepEqual([record?.outcome, record?.reason, record?.status], ['deny', 'request-malformed', status])
    assert.match(record!.detail!, detail)
    assert.deepEqual(more, [])
  }
  assert.deepEqual(upstream.requests, [])
})

test('the token may stand in a place of the service’s own, and in one place only', async (t) => {
  const tokenFrom = [{ kind: 'bearer' }, { kind: 'header', name: 'Token' }] as const
  const { stand } = await open(t, undefined, { service: { tokenFrom } })
  const token = stand.token()
  assert.equal((await ask(stand.port, get('/billing/invoices/7', `Token: ${token}`))).status, 200)
  assert.equal((await ask(stand.port, get('/billing/invoices/7', 'Token:'))).status, 401)
  assert.equal(
    (await ask(stand.port, get('/billing/invoices/7', `token: ${token}`, `TOKEN: ${token}`))).status,
    400,
  )
  assert.equal(
    (await ask(stand.port, get('/billing/invoices/7', `Token: ${token}`, bearer(token)))).status,
    400,
  )
})

test('without keys nothing is decided: 503 and a time to come back', async (t) => {
  const { stand } = await open(t, undefined, { remoteIssuer: 'http://127.0.0.1:1' })
  const token = createSigner({ key: generateSigningKey('ES256') }).sign({
    iss: 'http://127.0.0.1:1',
    aud: 'https://billing.acme.example',
    exp: 4_000_000_000,
  })
  const client = new RawClient(stand.port)
  // The second request waits for the first one's turn.
  client.send(get('/billing/invoices/7', bearer(token)) + get('/billing/health'))
  const reply = await client.reply()
  assert.equal(reply.status, 503)
  assert.ok(Number(reply.headers['retry-after']) >= 1)
  assert.equal(reply.headers['www-authenticate'], undefined)
  assert.equal((await client.reply()).status, 200)
  client.destroy()
  assert.deepEqual(stand.decisions[0]?.reason, 'keys-unavailable')
})

test('alive and ready, under a path that no service has', async (t) => {
  const { stand, upstream } = await open(t, undefined, { service: { at: '/' } })
  const at = '/.well-known/countersign'
  assert.equal((await ask(stand.port, get(`${at}/livez`))).status, 200)
  assert.equal((await ask(stand.port, get(`${at}/readyz`))).status, 200)
  assert.equal((await ask(stand.port, post(`${at}/readyz`, 'X: y'))).status, 405)
  assert.equal((await ask(stand.port, get(`${at}/other`))).status, 404)
  assert.equal((await ask(stand.port, get(`${at}/livez/x`))).status, 404)
  assert.deepEqual(upstream.requests, [])
})

test('OPTIONS * is about the gateway', async (t) => {
  const { stand, upstream } = await open(t)
  const reply = await ask(stand.port, 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.equal(reply.status, 204)
  assert.ok(reply.headers['allow']?.includes('GET'))
  assert.deepEqual(upstream.requests, [])
})

test('a gateway in front of itself notices', async (t) => {
  const upstream = await openUpstream()
  const outer = await openStand(upstream.url)
  const { trust } = outer
  outer.gateway.replace({
    ...trust,
    services: new Map(
      [...trust.services].map(([name, service]) => [
        name,
        { ...service, upstream: `http://127.0.0.1:${outer.port}/billing` },
      ]),
    ),
  })
  t.after(async () => {
    await outer.close()
    await upstream.close()
  })
  const reply: RawReply = await ask(outer.port, get('/billing/health'))
  assert.equal(reply.status, 508)
})

type Opened = { readonly stand: Stand; readonly upstream: ScriptedUpstream }

test('a body above the limit is 413, and a service never gets more of it', async (t) => {
  const seen: string[] = []
  const { stand, upstream } = await open(
    t,
    (socket, text) => {
      seen.push(text)
      if (text.includes('Content-Length')) socket.write(okReply('ok'))
      else socket.on('data', (piece: string) => seen.push(piece))
    },
    { service: { bodyLimitBytes: 1024 } },
  )
  const head = `POST /billing/echo HTTP/1.1\r\nHost: a\r\n${bearer(stand.token())}\r\n`
  const told = (length: number): string => `${head}Content-Length: ${length}\r\n\r\n${'x'.repeat(length)}`
  assert.equal((await ask(stand.port, told(1025))).status, 413)
  assert.equal(seen.length, 0)
  const client = new RawClient(stand.port)
  assert.equal((await client.send(told(1024)).reply()).status, 200)
  assert.equal((await client.send(told(2000)).reply()).status, 413)
  assert.equal((await client.send(told(5)).reply()).status, 200, 'what was too long is read off')
  const chunk = `200\r\n${'y'.repeat(512)}\r\n`
  client.send(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk}${chunk}`)
  await until(() => seen.join('').split('y').length > 1024, 'what is allowed has arrived')
  client.send(`1\r\nz\r\n0\r\n\r\n`)
  assert.equal((await client.reply()).status, 413)
  client.destroy()
  await until(() => upstream.sockets.size <= 1, 'the broken one is gone')
  assert.ok(!seen.join('').includes('\r\nz\r\n') && !seen.join('').includes('0\r\n\r\n'))
})

async function open(t: TestContext, script?: Script, options: StandOptions = {}): Promise<Opened> {
  const upstream = await openUpstream(script ?? ((socket) => socket.write(okReply('ok'))))
  const stand = await openStand(upstream.url, options)
  t.after(async () => {
    await stand.close()
    await upstream.close()
  })
  return { stand, upstream }
}

function post(target: string, ...headers: string[]): string {
  return [`POST ${target} HTTP/1.1`, 'Host: a', ...headers, 'Content-Length: 0', '', ''].join('\r\n')
}

function foreignToken(): string {
  return createSigner({ key: generateSigningKey('ES256', { keyId: 'test-1' }) }).sign({
    iss: standIssuer,
    aud: 'https://billing.acme.example',
    exp: 4_000_000_000,
  })
}
