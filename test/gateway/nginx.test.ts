import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { nginx, startNginx } from './real-nginx.ts'
import { openAuthzStand } from './authz-stand.ts'
import type { AuthzStand } from './authz-stand.ts'
import { ask, bearer, get, okReply, openUpstream, RawClient } from './stand.ts'
import type { ScriptedUpstream } from './stand.ts'

// The configuration of docs/proxies.md, in the real nginx.

describe('nginx asks', { skip: nginx === undefined ? 'nginx is not installed' : false }, () => {
  let stand: AuthzStand
  let upstream: ScriptedUpstream
  let port: number
  let stop: () => Promise<void>

  before(async () => {
    upstream = await openUpstream((socket) => socket.end(okReply('secret', 'Connection: close')))
    stand = await openAuthzStand('nginx')
    ;({ port, stop } = await startPage(upstream.url, stand.authzPort))
  })
  after(async () => {
    await stop?.()
    await stand?.close()
    await upstream?.close()
  })

  test('what is allowed goes through, with our identity headers in place of the client’s', async () => {
    const forged = ['Countersign-Subject: admin', 'Countersign-Actor: admin', 'Countersign-Scopes: all']
    const reply = await ask(port, get('/billing/invoices/7?page=2', bearer(stand.token()), ...forged))
    assert.deepEqual([reply.status, reply.body], [200, 'secret'])
    const [requestLine, ...lines] = upstream.requests.at(-1)!.split('\r\n')
    assert.match(requestLine!, /^GET \/billing\/invoices\/7\?page=2 /)
    assert.deepEqual(lines.filter((line) => line.startsWith('Countersign-')).sort(), [
      'Countersign-Client: orders',
      'Countersign-Issuer: https://issuer.acme.example',
      'Countersign-Roles: ["reader"]',
      'Countersign-Subject: orders',
      'Countersign-Token-Id: token-1',
    ])
  })

  test('on an open route no identity reaches the service', async () => {
    const reply = await ask(
      port,
      get('/billing/health', 'Countersign-Subject: admin', 'Countersign_Roles: x'),
    )
    assert.equal(reply.status, 200)
    assert.doesNotMatch(upstream.requests.at(-1)!, /countersign/i)
  })

  test('a body goes to the service and not to us', async () => {
    const client = new RawClient(port)
    const head = 'POST /billing/open HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 5\r\n\r\n'
    assert.equal((await client.send(`${head}hello`).reply()).status, 200)
    assert.match(upstream.requests.at(-1)!, /\r\n\r\nhello$/)
    client.destroy()
  })

  test('what is refused reaches nobody, and the client sees why', async () => {
    const reader = bearer(stand.token())
    const asked = upstream.requests.length
    for (const [request, status, challenge] of [
      [get('/billing/invoices/7'), 401, /^Bearer realm="acme"$/],
      [get('/billing/invoices/7', bearer('no.good.token')), 401, /error="invalid_token"/],
      [post('/billing/invoices', reader), 403, /error="insufficient_scope".*scope="invoices:write"/],
      [get('/billing/nowhere', reader), 404, undefined],
      [get('/nowhere', reader), 404, undefined],
      [post('/billing/invoices/7', reader), 405, undefined],
      [get('/billing/invoices/7', reader, reader), 400, undefined],
    ] as const) {
      const reply = await ask(port, request)
      assert.equal(reply.status, status, request)
      if (challenge === undefined) assert.equal(reply.headers['www-authenticate'], undefined)
      else assert.match(reply.headers['www-authenticate']!, challenge)
    }
    assert.equal(upstream.requests.length, asked)
  })

  test('a client’s words about itself are not believed', async () => {
    const asked = upstream.requests.length
    for (const lie of [
      ['X-Original-URI: /billing/health', 'X-Original-Method: GET'],
      ['x-original-uri: /billing/health'],
      ['X_Original_URI: /billing/health'],
      ['X-Forwarded-Uri: /billing/health', 'X-Forwarded-Method: GET', 'X-Forwarded-Host: gateway.test'],
      ['X-Original-Host: other.test'],
      ['Connection: close, X-Original-URI'],
      ['Content-Length: 0', 'X-Original-URI: /billing/health'],
    ]) {
      assert.equal((await ask(port, get('/billing/invoices/7', ...lie))).status, 401, lie.join())
    }
    assert.equal((await ask(port, get('/_countersign'))).status, 404)
    assert.equal(upstream.requests.length, asked)
  })

  test('paths that nginx repairs and others read differently are refused', async () => {
    const asked = upstream.requests.length
    const token = bearer(stand.token({ roles: [] }))
    for (const path of [
      '/billing/health/../invoices/7',
      '/billing/health/%2e%2e/invoices/7',
      '/billing//health',
      '/billing/health%2f..%2finvoices/7',
      '/billing/%0d%0aX-Original-URI:%20/billing/health',
      '/billing/health;x/../invoices',
      '/billing/health%00',
    ]) {
      const { status } = await ask(port, get(path, token))
      assert.ok(status === 400 || status === 404, `${path}: ${status}`)
    }
    assert.equal(upstream.requests.length, asked)
    assert.equal((await ask(port, get('/%62illing/he%61lth'))).status, 200)
  })

  test('when nobody decides, nobody passes', async () => {
    const alone = await startPage(upstream.url, 1)
    const asked = upstream.requests.length
    try {
      assert.equal((await ask(alone.port, get('/billing/health'))).status, 500)
    } finally {
      await alone.stop()
    }
    assert.equal(upstream.requests.length, asked)
  })
})

/** nginx with the page's configuration, on a port of its own. */
async function startPage(upstreamUrl: string, authzPort: number): ReturnType<typeof startNginx> {
  const page = readFileSync(new URL('../../docs/proxies.md', import.meta.url), 'utf8')
  const locations = /^```nginx\n([\s\S]*?)^```$/m
    .exec(page)![1]!
    .replace('http://127.0.0.1:9101', upstreamUrl)
    .replace('http://127.0.0.1:9002', `http://127.0.0.1:${authzPort}`)
  return startNginx((port) => `server { listen 127.0.0.1:${port}; server_name _; ${locations} }`)
}

function post(target: string, ...headers: string[]): string {
  return get(target, 'Content-Length: 0', ...headers).replace('GET', 'POST')
}
