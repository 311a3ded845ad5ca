import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Secret } from '@countersign/sdk/core'
import { createDpopKey, createDpopProof } from '@countersign/sdk/jwt'
import { openAuthzStand } from '../../../../../test/gateway/authz-stand.ts'
import type { AuthzStand } from '../../../../../test/gateway/authz-stand.ts'
import { ask, bearer, get, RawClient, standTrust } from '../../../../../test/gateway/stand.ts'
import type { RawReply } from '../../../../../test/gateway/stand.ts'
import type { AuthzProxy } from '../../trust/trust.ts'
import { overrideNames } from '../upstream/header-names.ts'

test('yes is 200 and brings the identity', async (t) => {
  const stand = await open(t, 'traefik')
  const reply = await inquire(stand, 'GET', '/billing/invoices/7?page=2', bearer(stand.token()))
  assert.equal(reply.status, 200)
  assert.equal(reply.headers['countersign-subject'], 'orders')
  assert.equal(reply.headers['countersign-roles'], '["reader"]')
  assert.equal(reply.headers['cache-control'], 'no-store')
  assert.deepEqual(
    stand.decisions.map(({ outcome, method, path, route }) => ({ outcome, method, path, route })),
    [{ outcome: 'allow', method: 'GET', path: '/billing/invoices/7', route: 'GET /invoices/{id}' }],
  )
})

test('an open route is yes, and says nothing about anybody', async (t) => {
  const stand = await open(t, 'traefik')
  const reply = await inquire(stand, 'GET', '/billing/health', 'Countersign-Subject: admin')
  assert.equal(reply.status, 200)
  assert.equal(Object.keys(reply.headers).filter((name) => name.startsWith('countersign')).length, 0)
})

const refusals = [
  ['GET', '/billing/invoices/7', 401, 'Bearer realm="acme"'],
  ['GET', '/nowhere', 404, undefined],
  ['POST', '/billing/invoices/7', 405, undefined],
  ['GET', '/billing/files/../invoices', 400, undefined],
  ['GET', '/billing//health', 400, undefined],
  ['GET', 'billing/health', 400, undefined],
  ['GET', 'http://evil.example/billing/health', 400, undefined],
] as const

test('no is the gateway’s own refusal, word for word', async (t) => {
  const stand = await open(t, 'traefik')
  for (const [method, target, status, challenge] of refusals) {
    const reply = await inquire(stand, method, target)
    assert.equal(reply.status, status, target)
    assert.equal(reply.headers['www-authenticate'], challenge, target)
  }
  const forbidden = await inquire(stand, 'POST', '/billing/invoices', bearer(stand.token()))
  assert.equal(forbidden.status, 403)
  assert.match(forbidden.headers['www-authenticate']!, /error="insufficient_scope"/)
})

test('HAProxy is told whom to ask, and for what', async (t) => {
  const stand = await open(t, 'haproxy')
  const asked = (target: string, ...headers: string[]): Promise<RawReply> =>
    ask(
      stand.authzPort,
      get(
        '/authz',
        'X-Original-Method: GET',
        `X-Original-URI: ${target}`,
        'X-Original-Host: gateway.test',
        'X-Original-Address: 203.0.113.9',
        ...headers,
      ),
    )
  const reply = await asked('/%62illing/invoices/7?x=%2F', bearer(stand.token()))
  assert.equal(reply.status, 200)
  assert.equal(reply.headers['countersign-service'], 'billing')
  assert.equal(reply.headers['countersign-target'], '/invoices/7?x=%2F')
  for (const [target, status] of [
    ['/billing/invoices/7', 401],
    ['/billing/nowhere', 404],
    ['/billing/x/../health', 400],
  ] as const) {
    const refused = await asked(target)
    assert.equal(refused.status, status)
    assert.equal(refused.headers['countersign-target'], undefined)
  }
})

test('nginx is told what it understands, and the true status beside it', async (t) => {
  const stand = await open(t, 'nginx')
  const nginx = (method: string, target: string, ...headers: string[]): Promise<RawReply> =>
    ask(
      stand.authzPort,
      get(
        '/authz',
        `X-Original-Method: ${method}`,
        `X-Original-URI: ${target}`,
        'X-Original-Host: gateway.test',
        ...headers,
      ),
    )
  for (const [method, target, status] of refusals) {
    const reply = await nginx(method, target)
    assert.equal(reply.status, status === 401 ? 401 : 403, target)
    assert.equal(reply.headers['countersign-status'], String(status), target)
  }
  const forged = await nginx('GET', '/billing/invoices/7', 'X-Forwarded-Uri: /billing/health')
  assert.equal(forged.status, 401)
  assert.equal((await ask(stand.authzPort, get('/authz'))).status, 403)
})

test('Envoy is told what to take away', async (t) => {
  const stand = await open(t, 'envoy')
  const allowed = await ask(
    stand.authzPort,
    get('/authz/billing/invoices/7?page=2', bearer(stand.token({ jti: undefined }))),
  )
  assert.equal(allowed.status, 200)
  assert.equal(
    allowed.headers['x-envoy-auth-headers-to-remove'],
    ['countersign-scopes', 'countersign-token-id', 'countersign-actor', ...overrideNames].join(),
  )
  const open_ = await ask(stand.authzPort, get('/authz/billing/health'))
  assert.match(open_.headers['x-envoy-auth-headers-to-remove']!, /^countersign-subject,/)
  for (const [target, status] of [
    ['/authz/billing/invoices/7', 401],
    ['/authz//billing/health', 400],
    ['/authz', 404],
    ['/billing/health', 404],
  ] as const) {
    assert.equal((await ask(stand.authzPort, get(target))).status, status, target)
  }
})

test('a request that asks the service for another method or path by a header is refused', async (t) => {
  const stand = await open(t, 'traefik')
  for (const name of ['X-HTTP-Method-Override', 'x-http-method', 'X-Method-Override']) {
    assert.equal((await inquire(stand, 'GET', '/billing/health', `${name}: DELETE`)).status, 400, name)
  }
  for (const name of ['X-Original-URL', 'X-Rewrite-Url']) {
    assert.equal((await inquire(stand, 'GET', '/billing/health', `${name}: /admin`)).status, 400, name)
  }
  assert.equal((await inquire(stand, 'GET', '/billing/health')).status, 200)
})

test('every way of two tokens is refused', async (t) => {
  const stand = await open(t, 'traefik')
  const token = stand.token()
  const reply = await inquire(stand, 'GET', '/billing/health', bearer(token), bearer(token))
  assert.equal(reply.status, 400)
})

test('keys that cannot be had: no, with a status that is no 401', async (t) => {
  const stand = await open(t, 'nginx', { remoteIssuer: 'http://127.0.0.1:1' })
  const token = stand.token({ iss: 'http://127.0.0.1:1' })
  const reply = await ask(
    stand.authzPort,
    get(
      '/authz',
      'X-Original-Method: GET',
      'X-Original-URI: /billing/invoices/7',
      'X-Original-Host: gateway.test',
      bearer(token),
    ),
  )
  assert.equal(reply.status, 503)
})

test('only the named peers may ask', async (t) => {
  const stand = await open(t, 'traefik', { peers: ['10.0.0.0/8'] })
  const reply = await inquire(stand, 'GET', '/billing/health')
  assert.equal(reply.status, 403)
  assert.equal(reply.headers['connection'], 'close')
  assert.deepEqual(stand.decisions, [])
})

test('a connection is kept from one inquiry to the next, also behind a body nobody reads', async (t) => {
  const stand = await open(t, 'envoy')
  const client = new RawClient(stand.authzPort)
  t.after(() => client.destroy())
  const post = 'POST /authz/billing/open HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 3\r\n\r\nabc'
  for (let count = 0; count < 3; count++) assert.equal((await client.send(post).reply()).status, 200)
})

test('the gateway itself has no such path, and the endpoint no proxy behind it', async (t) => {
  const stand = await open(t, 'traefik')
  assert.equal((await ask(stand.port, get('/authz', 'X-Forwarded-Uri: /billing/health'))).status, 404)
  assert.equal((await ask(stand.authzPort, get('/billing/health'))).status, 404)
  assert.equal((await ask(stand.authzPort, get('/.well-known/countersign/readyz'))).status, 200)
})

test('with a yes comes the nonce of the next proof', async (t) => {
  const key = createDpopKey()
  const nonceSecret = Secret.fromText('a-secret-for-nonces-of-32-bytes-and-more')
  const { gateway, ...rest } = standTrust('http://127.0.0.1:1', {
    authz: [{ proxy: 'traefik', listen: { host: '127.0.0.1', port: 0 }, peers: [] }],
  })
  const url = 'https://api.acme.example'
  const trust = { ...rest, gateway: { ...gateway!, url, dpop: { nonces: true, nonceSecret } } }
  let nowMs = Date.now()
  const stand = await openAuthzStand('traefik', { gateway: { trust, clock: () => nowMs } })
  t.after(() => stand.close())
  const accessToken = stand.token({ cnf: { jkt: key.thumbprint } })
  const prove = (nonce: string): Promise<RawReply> => {
    const at = `${url}/billing/invoices/7`
    const proof = createDpopProof({ key, method: 'GET', url: at, accessToken, nowMs, nonce })
    return inquire(
      stand,
      'GET',
      '/billing/invoices/7',
      `Authorization: DPoP ${accessToken}`,
      `DPoP: ${proof}`,
    )
  }
  const nonce = (await prove('none of ours')).headers['dpop-nonce']!
  const first = await prove(nonce)
  assert.deepEqual([first.status, first.headers['dpop-nonce']], [200, undefined])
  // The next step, wherever in this one we are: a nonce is good in its own and in the one after.
  nowMs += 60_000
  const later = await prove(nonce)
  assert.equal(later.status, 200)
  assert.match(later.headers['dpop-nonce'] ?? '', /^[\w-]{24}$/)
})

async function open(
  t: TestContext,
  proxy: AuthzProxy,
  options: Parameters<typeof openAuthzStand>[1] = {},
): Promise<AuthzStand> {
  const stand = await openAuthzStand(proxy, options)
  t.after(() => stand.close())
  return stand
}

/** As Traefik asks: always GET, the original request in headers. */
function inquire(stand: AuthzStand, method: string, target: string, ...headers: string[]): Promise<RawReply> {
  return ask(
    stand.authzPort,
    get(
      '/authz',
      `X-Forwarded-Method: ${method}`,
      `X-Forwarded-Uri: ${target}`,
      'X-Forwarded-Host: gateway.test',
      'X-Forwarded-For: 203.0.113.9',
      ...headers,
    ),
  )
}
