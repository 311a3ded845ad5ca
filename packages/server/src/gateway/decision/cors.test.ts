import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { ask, bearer, get, okReply, openStand, openUpstream } from '../../../../../test/gateway/stand.ts'
import type { RawReply, ScriptedUpstream, Stand } from '../../../../../test/gateway/stand.ts'
import type { CorsSettings } from '../../trust/trust.ts'

const app = 'https://app.acme.example'
const settings: CorsSettings = {
  origins: [app],
  headers: ['authorization', 'content-type'],
  expose: ['ETag'],
  credentials: true,
  maxAgeSeconds: 600,
}

test('a preflight is answered without a token, and the service never sees it', async (t) => {
  const { stand, upstream } = await open(t)
  const reply = await preflight(stand, '/billing/invoices/7', 'GET', app, 'Authorization, content-type')
  assert.equal(reply.status, 204)
  assert.deepEqual(corsOf(reply), {
    'access-control-allow-origin': app,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'ETag',
    'access-control-allow-methods': 'GET',
    'access-control-allow-headers': 'authorization, content-type',
    'access-control-max-age': '600',
    vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
  })
  assert.equal(upstream.requests.length, 0)
})

test('another origin, and headers a page may not set, get no leave', async (t) => {
  const { stand } = await open(t)
  for (const origin of [
    'https://evil.example',
    'null',
    `${app}.evil.example`,
    `${app}:443`,
    app.toUpperCase(),
  ]) {
    const reply = await preflight(stand, '/billing/invoices/7', 'GET', origin)
    assert.equal(reply.status, 204)
    assert.deepEqual(Object.keys(corsOf(reply)), ['vary'], origin)
  }
  const reply = await preflight(stand, '/billing/invoices/7', 'GET', app, 'authorization, x-other')
  assert.equal(reply.headers['access-control-allow-headers'], undefined)
  assert.equal(reply.headers['access-control-allow-methods'], undefined)
})

test('only about routes and methods that are there; what is no preflight is a request', async (t) => {
  const { stand } = await open(t)
  assert.equal((await preflight(stand, '/billing/nothing', 'GET', app)).status, 404)
  assert.equal((await preflight(stand, '/billing/invoices/7', 'DELETE', app)).status, 405)
  assert.equal((await preflight(stand, '/nowhere', 'GET', app)).status, 404)
  assert.equal((await preflight(stand, '/billing//x', 'GET', app)).status, 400)
  const plain = get('/billing/echo', `Origin: ${app}`).replace('GET', 'OPTIONS')
  assert.equal((await ask(stand.port, plain)).status, 401)
  const two = get('/billing/echo', `Origin: ${app}`, `Origin: ${app}`, 'Access-Control-Request-Method: GET')
  assert.equal((await ask(stand.port, two.replace('GET', 'OPTIONS'))).status, 401)
})

test('replies and refusals let the page read them; the service’s own leave is taken out', async (t) => {
  const { stand } = await open(t)
  const mine = { 'access-control-allow-origin': app, 'access-control-allow-credentials': 'true' }
  const token = bearer(stand.token())
  for (const [target, status] of [
    ['/billing/invoices/7', 200],
    ['/billing/nothing', 404],
  ] as const) {
    const reply = await ask(stand.port, get(target, token, `Origin: ${app}`))
    assert.equal(reply.status, status)
    assert.deepEqual(corsOf(reply), {
      ...mine,
      'access-control-expose-headers': 'ETag',
      vary: status === 200 ? 'Accept\nOrigin' : 'Origin',
    })
    const other = await ask(stand.port, get(target, token, 'Origin: https://evil.example'))
    assert.deepEqual(Object.keys(corsOf(other)), ['vary'])
  }
  const refused = await ask(stand.port, get('/billing/invoices/7', `Origin: ${app}`))
  assert.deepEqual([refused.status, refused.headers['access-control-allow-origin']], [401, app])
  const none = await ask(stand.port, get('/billing/invoices/7', token))
  assert.equal(none.headers['vary'], 'Accept\nOrigin')
})

test('any origin is "*" and nothing of the request', async (t) => {
  const { stand } = await open(t, { ...settings, origins: '*', credentials: false })
  const reply = await ask(stand.port, get('/billing/health', 'Origin: https://whoever.example'))
  assert.deepEqual(corsOf(reply), {
    'access-control-allow-origin': '*',
    'access-control-expose-headers': 'ETag',
    vary: 'Accept',
  })
})

test('without the setting it is the service’s own matter', async (t) => {
  const { stand, upstream } = await open(t, undefined)
  const reply = await ask(stand.port, get('/billing/health', `Origin: ${app}`))
  assert.equal(reply.headers['access-control-allow-origin'], 'https://evil.example')
  assert.equal((await preflight(stand, '/billing/echo', 'GET', app)).status, 401)
  assert.equal(upstream.requests.length, 1)
})

async function open(
  t: TestContext,
  cors: CorsSettings | undefined = arguments.length < 2 ? settings : undefined,
): Promise<{ stand: Stand; upstream: ScriptedUpstream }> {
  const upstream = await openUpstream((socket) =>
    socket.write(
      okReply(
        'ok',
        'Access-Control-Allow-Origin: https://evil.example',
        'Access-Control-Allow-Headers: *',
        'Vary: Accept',
      ),
    ),
  )
  const stand = await openStand(upstream.url, { service: cors === undefined ? {} : { cors } })
  t.after(async () => {
    await stand.close()
    await upstream.close()
  })
  return { stand, upstream }
}

function preflight(
  { port }: Stand,
  target: string,
  method: string,
  origin: string,
  headers?: string,
): Promise<RawReply> {
  const lines = [`Origin: ${origin}`, `Access-Control-Request-Method: ${method}`]
  if (headers !== undefined) lines.push(`Access-Control-Request-Headers: ${headers}`)
  return ask(port, get(target, ...lines).replace('GET', 'OPTIONS'))
}

function corsOf({ headers }: RawReply): Record<string, string> {
  const names = Object.keys(headers).filter((name) => name.startsWith('access-control-') || name === 'vary')
  return Object.fromEntries(names.map((name) => [name, headers[name]!]))
}
