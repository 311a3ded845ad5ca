import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { createSigner, generateSigningKey, publicJwk } from '@countersign/sdk/jwt'
import {
  ask,
  bearer,
  get,
  listenOn,
  openStand,
  openUpstream,
  RawClient,
  standIssuer,
  standService,
  until,
} from '../gateway/stand.ts'
import type { ScriptedUpstream, Stand } from '../gateway/stand.ts'

// Caches, keys that cannot be had, and the places a token may stand in: where gateways have let a token through that
// was checked for something else, or not at all.

let upstream: ScriptedUpstream
let stand: Stand
const key = generateSigningKey('ES256', { keyId: 'test-1' })

before(async () => {
  upstream = await openUpstream()
  stand = await openStand(upstream.url, {
    key,
    services: [
      standService(upstream.url, {
        name: 'payroll',
        at: '/payroll',
        audience: 'https://payroll.acme.example',
      }),
    ],
  })
})
after(async () => {
  await stand.close()
  await upstream.close()
})

test('a token known to be good for one route is asked again for the next (Oathkeeper GHSA-qvp4-rpmr-xwrr)', async () => {
  const token = bearer(stand.token({ roles: ['reader'] }))
  for (let i = 0; i < 3; i++) {
    assert.equal((await ask(stand.port, get('/billing/invoices/7', token))).status, 200)
    assert.equal((await ask(stand.port, post('/billing/invoices', token))).status, 403)
    assert.equal((await ask(stand.port, get('/payroll/invoices/7', token))).status, 401)
  }
})

test('a token remembered as good dies when its time is over', async (t) => {
  let nowMs = Date.now()
  const own = await openStand(upstream.url, { key, gateway: { clock: () => nowMs } })
  t.after(() => own.close())
  const token = bearer(own.token({ exp: Math.floor(nowMs / 1000) + 60 }))
  for (let i = 0; i < 3; i++)
    assert.equal((await ask(own.port, get('/billing/invoices/7', token))).status, 200)
  nowMs += 66_000
  const reply = await ask(own.port, get('/billing/invoices/7', token))
  assert.deepEqual([reply.status, reply.body], [401, 'Expired token'])
})

test('tokens that differ in one character share nothing (fast-jwt GHSA-rp9m-7r4c-75qg)', async () => {
  const token = stand.token()
  assert.equal((await ask(stand.port, get('/billing/invoices/7', bearer(token)))).status, 200)
  const [header = '', payload = '', signature = ''] = token.split('.')
  const admin = Buffer.from(payload, 'base64url').toString().replace('"reader"', '"admin"')
  const forged = [
    `${header}.${Buffer.from(admin).toString('base64url')}.${signature}`,
    `${header}.${payload}.${signature.slice(0, -2)}${signature.endsWith('AA') ? 'AQ' : 'AA'}`,
    `${header}.${payload}.`,
    `${header}.${payload}.${signature}=`,
    `${header}.${payload}.${signature}.`,
    `${token} `.repeat(2).trim(),
  ]
  for (const text of forged) {
    const reply = await ask(stand.port, get('/billing/invoices/7', bearer(text)))
    assert.ok(reply.status === 401 || reply.status === 400, `${reply.status}`)
  }
})

test('the token does not choose how it is checked (APISIX CVE-2026-39999, Hono CVE-2026-22817, CVE-2026-22818)', async () => {
  const claims = {
    iss: standIssuer,
    aud: 'https://billing.acme.example',
    roles: ['admin'],
    exp: 4_000_000_000,
  }
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const secrets = [JSON.stringify(publicJwk(key)), String(publicJwk(key)['x']), '']
  for (const alg of ['HS256', 'none', 'None', 'ES384', 'RS256']) {
    for (const secret of secrets) {
      const input = `${encode({ alg, typ: 'at+jwt', kid: 'test-1' })}.${encode(claims)}`
      const signature =
        alg.toLowerCase() === 'none' ? '' : createHmac('sha256', secret).update(input).digest('base64url')
      const reply = await ask(stand.port, get('/billing/invoices/7', bearer(`${input}.${signature}`)))
      assert.equal(reply.status, 401)
      assert.equal(reply.body, 'Invalid Signing Method', alg)
    }
  }
})

test('a token in two places, or twice, is no token', async (t) => {
  const own = await openStand(upstream.url, {
    key,
    service: {
      tokenFrom: [{ kind: 'bearer' }, { kind: 'header', name: 'Token' }, { kind: 'cookie', name: 'at' }],
    },
  })
  t.after(() => own.close())
  const good = own.token()
  const bad = 'eyJhbGciOiJub25lIn0.e30.'
  const pairs = [
    [bearer(good), bearer(bad)],
    [bearer(bad), bearer(good)],
    [`Authorization: Bearer ${good}, Bearer ${bad}`],
    [bearer(good), `Token: ${good}`],
    [`Token: ${good}`, `token: ${good}`],
    [bearer(good), `Cookie: at=${bad}`],
    [`Cookie: at=${good}; at=${bad}`],
  ]
  for (const lines of pairs) {
    assert.equal(
      (await ask(own.port, get('/billing/invoices/7', ...lines))).status,
      400,
      lines.join().slice(0, 40),
    )
  }
  for (const line of [bearer(good), `Token: ${good}`, `Cookie: a=b; at=${good}`]) {
    assert.equal((await ask(own.port, get('/billing/invoices/7', line))).status, 200)
  }
})

test('on an open route a token may be anything, but not two', async (t) => {
  const own = await openStand(upstream.url, {
    key,
    service: {
      tokenFrom: [
        { kind: 'header', name: 'Token' },
        { kind: 'cookie', name: 'at' },
      ],
    },
  })
  t.after(() => own.close())
  assert.equal((await ask(own.port, get('/billing/health', 'Token: nonsense'))).status, 200)
  assert.equal((await ask(own.port, get('/billing/health', 'Token: a', 'TOKEN: b'))).status, 400)
  assert.equal((await ask(own.port, get('/billing/health', 'Cookie: at=a; at=b'))).status, 400)
})

test('nobody gets past a rule without a token, however the path is written (Kong CVE-2021-27306)', async () => {
  const token = stand.token()
  const paths = [
    '/billing/invoices/7',
    '/billing/invoices/%37',
    '/billing/invoices/7/',
    '/billing//invoices/7',
    '/billing/./invoices/7',
    '/billing/health/../invoices/7',
    '/BILLING/invoices/7',
    '/billing/invoices/7?next=/billing/health',
  ]
  const without = [
    [],
    ['Authorization:'],
    ['Authorization: Bearer'],
    ['Authorization: Basic b3JkZXJzOnNlY3JldA=='],
    [`Proxy-Authorization: Bearer ${token}`],
    [`X-Access-Token: ${token}`],
    [`Cookie: jwt=${token}`],
  ]
  const before = upstream.requests.length
  for (const path of paths) {
    for (const headers of without) {
      const { status } = await ask(stand.port, get(path, ...headers))
      assert.ok([400, 401, 404].includes(status), `${path} ${headers.join()}: ${status}`)
    }
  }
  assert.equal((await ask(stand.port, get(paths[0]!))).status, 401)
  assert.equal(upstream.requests.length, before)
  assert.equal((await ask(stand.port, get(paths[0]!, bearer(token)))).status, 200)
})

test('a token in the query or the body is none', async () => {
  const token = stand.token({ roles: ['admin'], scope: 'invoices:write' })
  assert.equal((await ask(stand.port, get(`/billing/invoices/7?access_token=${token}`))).status, 401)
  const form = `access_token=${token}`
  const request = `POST /billing/invoices HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${form.length}\r\n\r\n${form}`
  assert.equal((await ask(stand.port, request)).status, 401)
})

test('keys that cannot be had let nobody in, whatever else the request holds (Envoy CVE-2024-23324)', async (t) => {
  const own = await openStand(upstream.url, { remoteIssuer: 'http://127.0.0.1:1' })
  t.after(() => own.close())
  const reached = upstream.requests.length
  const token = createSigner({ key }).sign({
    iss: 'http://127.0.0.1:1',
    aud: 'https://billing.acme.example',
    exp: 4_000_000_000,
  })
  for (let i = 0; i < 5; i++) {
    const reply = await ask(own.port, get('/billing/invoices/7', bearer(token), 'X-Binary: \xff\xfe\x80'))
    assert.equal(reply.status, 503)
  }
  assert.equal(upstream.requests.length, reached)
})

test('clients that leave while keys are fetched, or come with two tokens, break nothing (Envoy CVE-2025-64527, CVE-2024-45809)', async (t) => {
  const held: (() => void)[] = []
  const issuer = createServer((request, response) => {
    const document =
      request.url === '/jwks' ? { keys: [publicJwk(key)] } : { issuer: url, jwks_uri: `${url}/jwks` }
    held.push(() => response.setHeader('content-type', 'application/json').end(JSON.stringify(document)))
  })
  const url = `http://127.0.0.1:${await listenOn(issuer)}`
  const own = await openStand(upstream.url, { remoteIssuer: url })
  t.after(async () => {
    await own.close()
    issuer.closeAllConnections()
    issuer.close()
  })
  const claims = {
    iss: url,
    aud: 'https://billing.acme.example',
    sub: 'orders',
    roles: ['reader'],
    exp: Math.floor(Date.now() / 1000) + 60,
  }
  const token = bearer(createSigner({ key }).sign(claims))
  const reached = upstream.requests.length
  const leavers = Array.from({ length: 20 }, () =>
    new RawClient(own.port).send(get('/billing/invoices/7', token)),
  )
  const doubled = new RawClient(own.port).send(get('/billing/invoices/7', token, token))
  assert.equal((await doubled.reply()).status, 400)
  await until(() => held.length > 0, 'the keys are asked for')
  for (const leaver of leavers) leaver.destroy()
  const stayer = new RawClient(own.port).send(get('/billing/invoices/7', token))
  await new Promise((resolve) => setTimeout(resolve, 20))
  const answering = setInterval(() => held.splice(0).forEach((answer) => answer()), 2)
  t.after(() => clearInterval(answering))
  assert.equal((await stayer.reply()).status, 200)
  assert.equal(upstream.requests.length, reached + 1)
  stayer.destroy()
  doubled.destroy()
})

test('no refusal repeats the token, to the client or in the record', async () => {
  const tokens = [
    stand.token({ exp: 1_700_000_000 }),
    stand.token({ aud: 'x' }),
    `${stand.token()}x`,
    'secret.secret.secret',
  ]
  for (const token of tokens) {
    const before = stand.decisions.length
    const reply = await ask(stand.port, get('/billing/invoices/7', bearer(token), 'Accept: application/json'))
    const told = JSON.stringify([reply, stand.decisions.slice(before)])
    for (const segment of token.split('.')) assert.ok(!told.includes(segment), told)
  }
})

function post(target: string, ...headers: string[]): string {
  return [`POST ${target} HTTP/1.1`, 'Host: a', ...headers, 'Content-Length: 0', '', ''].join('\r\n')
}
