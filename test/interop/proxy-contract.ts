import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { canonicalPath } from '@countersign/sdk/policy'
import { overrideNames } from '../../packages/server/src/gateway/upstream/header-names.ts'
import type { AuthzProxy } from '../../packages/server/src/trust/trust.ts'
import { openAuthzStand } from '../gateway/authz-stand.ts'
import type { AuthzStand } from '../gateway/authz-stand.ts'
import { ask, bearer, get, okReply, openUpstream, RawClient } from '../gateway/stand.ts'
import type { ScriptedUpstream } from '../gateway/stand.ts'
import type { RunningProxy } from './real-proxy.ts'

/**
 * What a proxy that asks for decisions must do with the answers, whatever its kind: the request it forwards is the one that
 * was decided about, and who it is from only we have said.
 */
export function proxyContract(name: string, proxy: ProxyUnderTest): void {
  describe(`${name} asks`, { skip: proxy.missing }, () => {
    let stand: AuthzStand
    let upstream: ScriptedUpstream
    let running: RunningProxy
    let port: number

    before(async () => {
      upstream = await openUpstream((socket) => socket.end(okReply('secret', 'Connection: close')))
      stand = await openAuthzStand(proxy.kind)
      running = await proxy.start({ upstream: portOf(upstream), authz: stand.authzPort })
      port = running.port
    })
    after(async () => {
      await running?.stop()
      await stand?.close()
      await upstream?.close()
    })

    test('what is allowed goes through, with our identity headers in place of the client’s', async () => {
      const forged = ['Countersign-Subject: admin', 'Countersign-Actor: admin', 'Countersign-Scopes: all']
      const reply = await ask(port, get('/billing/invoices/7?page=2', bearer(stand.token()), ...forged))
      assert.deepEqual([reply.status, reply.body], [200, 'secret'])
      const request = upstream.requests.at(-1)!
      assert.match(request, /^GET \/billing\/invoices\/7\?page=2 /)
      assert.deepEqual(identityLines(request), [
        'countersign-client: orders',
        'countersign-issuer: https://issuer.acme.example',
        'countersign-roles: ["reader"]',
        'countersign-subject: orders',
        'countersign-token-id: token-1',
      ])
    })

    test('a header that the client repeats, or names in Connection, is not what the service sees', async () => {
      for (const forged of [
        ['Countersign-Subject: admin', 'countersign-subject: root'],
        ['Connection: close, Countersign-Subject', 'Countersign-Subject: admin'],
        ['Connection: Countersign-Roles, Authorization'],
      ]) {
        const { status } = await ask(port, get('/billing/invoices/7', bearer(stand.token()), ...forged))
        if (status !== 200) continue
        const lines = identityLines(upstream.requests.at(-1)!)
        assert.ok(lines.includes('countersign-subject: orders'), forged.join())
        assert.ok(lines.includes('countersign-roles: ["reader"]'), forged.join())
        assert.doesNotMatch(lines.join(), /admin|root/)
      }
    })

    test('on an open route no identity reaches the service, and no other method', async () => {
      const reply = await ask(
        port,
        get('/billing/health', 'Countersign-Subject: admin', 'Countersign_Roles: x'),
      )
      assert.equal(reply.status, 200)
      assert.doesNotMatch(upstream.requests.at(-1)!, /countersign/i)
      for (const name of overrideNames) {
        // Refused by us where the proxy shows us the header, else taken out by the proxy.
        const { status } = await ask(port, get('/billing/health', `${name}: DELETE`))
        assert.ok([200, 400, 403].includes(status), `${name}: ${status}`)
        assert.doesNotMatch(upstream.requests.at(-1)!, /override|x-http|x-original-url|x-rewrite/i, name)
      }
    })

    test('a body goes to the service and not to us', async () => {
      const client = new RawClient(port)
      const head = 'POST /billing/open HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 5\r\n\r\n'
      assert.equal((await client.send(`${head}hello`).reply()).status, 200)
      assert.match(upstream.requests.at(-1)!, /^POST \/billing\/open /)
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
      ] as const) {
        const reply = await ask(port, request)
        assert.equal(reply.status, status, request)
        if (challenge === undefined) assert.equal(reply.headers['www-authenticate'], undefined)
        else assert.match(reply.headers['www-authenticate']!, challenge)
      }
      for (const [first, second] of [
        [bearer(stand.token()), bearer('no.good.token')],
        [bearer('no.good.token'), bearer(stand.token())],
      ] as const) {
        const { status } = await ask(port, get('/billing/invoices/7', first, second))
        assert.ok(status === 400 || status === 401, String(status))
      }
      assert.equal(upstream.requests.length, asked)
    })

    test('a client’s words about itself are not believed', async () => {
      const asked = upstream.requests.length
      for (const lie of [
        ['X-Forwarded-Uri: /billing/health', 'X-Forwarded-Method: GET', 'X-Forwarded-Host: gateway.test'],
        ['x-forwarded-uri: /billing/health'],
        ['X_Forwarded_Uri: /billing/health'],
        ['X-Original-URI: /billing/health', 'X-Original-Method: GET'],
        ['X-Envoy-Original-Path: /billing/health', 'X-Envoy-Original-Method: GET'],
        ['X-Envoy-Decorator-Operation: x', 'X-Envoy-Internal: true'],
        ['X-Rewrite-URL: /billing/health', 'X-Original-URL: /billing/health'],
        ['Connection: close, X-Forwarded-Uri, X-Forwarded-Method, X-Forwarded-Host'],
        ['Content-Length: 0', 'X-Forwarded-Uri: /billing/health'],
      ]) {
        const { status } = await ask(port, get('/billing/invoices/7', ...lie))
        assert.ok(status === 401 || status === 400, `${lie.join()}: ${status}`)
      }
      assert.equal(upstream.requests.length, asked)
    })

    test('no spelling of a path reaches the service as another one than was decided about', async () => {
      const nobody = bearer(stand.token({ roles: [] }))
      for (const path of pathTricks) {
        const asked = upstream.requests.length
        const client = new RawClient(port)
        const reply = await client
          .send(get(path, nobody, 'Connection: close'))
          .reply()
          .catch(() => undefined)
        client.destroy()
        // One that the proxy repairs before it asks may be the open route; then that is what the service gets.
        for (const request of upstream.requests.slice(asked)) {
          assert.equal(reply?.status, 200, path)
          const target = request.split(' ')[1]!
          const canonical = canonicalPath(target)
          assert.ok('path' in canonical, `${path} arrived as ${target}`)
          assert.equal(canonical.path, '/billing/health', `${path} arrived as ${target}`)
        }
        if (upstream.requests.length === asked) assert.notEqual(reply?.status, 200, path)
      }
      assert.equal((await ask(port, get('/billing/health'))).status, 200)
    })

    test('when the keys to decide with cannot be had, nobody passes', async () => {
      const remoteIssuer = 'http://127.0.0.1:1'
      const keyless = await openAuthzStand(proxy.kind, { remoteIssuer })
      const other = await proxy.start({ upstream: portOf(upstream), authz: keyless.authzPort })
      const asked = upstream.requests.length
      try {
        const token = keyless.token({ iss: remoteIssuer })
        const reply = await ask(other.port, get('/billing/invoices/7', bearer(token)))
        assert.equal(reply.status, proxy.withoutKeys)
      } finally {
        await other.stop()
        await keyless.close()
      }
      assert.equal(upstream.requests.length, asked)
    })

    test('when nobody decides, nobody passes', async () => {
      const alone = await proxy.start({ upstream: portOf(upstream), authz: 1 })
      const asked = upstream.requests.length
      try {
        assert.equal((await ask(alone.port, get('/billing/health'))).status, proxy.alone)
      } finally {
        await alone.stop()
      }
      assert.equal(upstream.requests.length, asked)
    })
  })
}

export type ProxyUnderTest = {
  readonly kind: AuthzProxy
  /** Why it cannot be tested here. */
  readonly missing: string | false
  /** What it answers when the gateway has no keys to decide with. */
  readonly withoutKeys: number
  /** What it answers when nobody listens where it asks. */
  readonly alone: number
  start(ports: ProxyPorts): Promise<RunningProxy>
}

/** Of the service, and of the gateway's decision endpoint. */
export type ProxyPorts = { readonly upstream: number; readonly authz: number }

/**
 * A block of docs/proxies.md.
 *
 * @param start what the block begins with
 * @param ports the page's ports, and what to put in their place
 */
export function pageBlock(language: string, start: string, ports: Readonly<Record<number, number>>): string {
  const page = readFileSync(new URL('../../docs/proxies.md', import.meta.url), 'utf8')
  const begin = page.indexOf(`\`\`\`${language}\n${start}`)
  assert.notEqual(begin, -1, `docs/proxies.md has no ${language} block that begins with ${start}`)
  let block = page.slice(page.indexOf('\n', begin) + 1, page.indexOf('\n```', begin) + 1)
  for (const [shown, used] of Object.entries(ports)) {
    assert.ok(block.includes(shown), `the block does not have the port ${shown}`)
    block = block.replace(shown, String(used))
  }
  return block
}

function portOf({ url }: ScriptedUpstream): number {
  return Number(new URL(url).port)
}

function identityLines(request: string): string[] {
  const lines = request.split('\r\n').map((line) => line.replace(/^[^:]*/, (name) => name.toLowerCase()))
  return lines.filter((line) => /^countersign[-_]/.test(line)).sort()
}

function post(target: string, ...headers: string[]): string {
  return get(target, 'Content-Length: 0', ...headers).replace('GET', 'POST')
}

export const pathTricks = [
  '/billing/health/../invoices/7',
  '/billing/health/%2e%2e/invoices/7',
  '/billing/health/.%2E/invoices/7',
  '/billing/health/..%2finvoices/7',
  '/billing/health%2f..%2finvoices/7',
  '/billing/health%2F..%2Finvoices/7',
  '/billing/health%5c..%5cinvoices/7',
  '/billing/health\\..\\invoices\\7',
  '/billing//health',
  '//billing/health',
  '//billing/invoices/7',
  '/billing//invoices/7',
  '/billing/./invoices/7',
  '/billing/%0d%0aX-Forwarded-Uri:%20/billing/health',
  '/billing/health%0d%0a/../invoices/7',
  '/billing/health;x/../invoices/7',
  '/billing/health/..;/invoices/7',
  '/billing/health%3b/../invoices/7',
  '/billing/health%00',
  '/billing/health%00/../invoices/7',
  '/billing/health#/../invoices/7',
  '/billing/health%23/../invoices/7',
  '/billing/health%3f/../invoices/7',
  '/billing/health?/../invoices/7',
  '/billing/health%252f..%252finvoices/7',
  '/billing/%69nvoices/7',
  '/BILLING/health',
  '/billing/health/',
  '/billing/health%2f',
  '/billing/health%zz',
  '/billing/health%c0%af..%c0%afinvoices/7',
  'http://gateway.test/billing/invoices/7',
  'http://other.test/billing/health',
  '/%62illing/he%61lth',
]
