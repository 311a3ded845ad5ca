import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ask, bearer, get, openStand, openUpstream, standService } from '../gateway/stand.ts'
import type { ScriptedUpstream, Stand } from '../gateway/stand.ts'

// The rule saw one path, the upstream served another: the largest class of gateway bypasses. Everything under /pub is
// open, everything under /adm is for admins, at the root and again under a prefix that is taken off.

let upstream: ScriptedUpstream
let stand: Stand

before(async () => {
  upstream = await openUpstream()
  const routes = [
    { method: 'GET', template: '/pub/{**}', requirement: 'open', line: 1 },
    { method: 'GET', template: '/adm', requirement: { roles: 'admin' }, line: 2 },
    { method: 'GET', template: '/adm/{**}', requirement: { roles: 'admin' }, line: 3 },
  ] as const
  stand = await openStand(upstream.url, {
    service: { at: '/', routes },
    services: [standService(upstream.url, { name: 'api', at: '/api', routes })],
  })
})
after(async () => {
  await stand.close()
  await upstream.close()
})

const attacks: Readonly<Record<string, readonly string[]>> = {
  'dot segments out of an open path (Oathkeeper GHSA-p224-6x5r-fjpm, Heimdall CVE-2026-42274)': [
    '/pub/../adm',
    '/pub/x/../../adm/x',
    '/pub/./../adm',
    '/pub/..',
    '/pub/%2e%2e/adm',
    '/pub/%2E%2e/adm',
    '/pub/.%2e/adm',
    '/pub/%2e/adm',
    '/./adm',
    '/pub/..%2fadm',
    '/pub/..%5cadm',
  ],
  'doubled slashes and escaped ones (Istio CVE-2021-31920, Envoy CVE-2021-29492, APISIX CVE-2021-43557)': [
    '//adm',
    '/pub//adm',
    '//adm/x',
    '/%2Fadm',
    '/%2fadm',
    '/pub/%2Fadm',
    '/pub/%5Cadm',
    '/pub/%5cadm',
    '/pub\\..\\adm',
    '/\\adm',
  ],
  'a path taken for an authority (OPA-Envoy CVE-2026-26205)': [
    '//adm/x',
    '///adm',
    '//user@adm/x',
    '//adm:80/x',
  ],
  'fragments (Istio CVE-2021-39156, Envoy CVE-2021-32779, oauth2-proxy GHSA-pxq7-h93f-9jrg)': [
    '/pub#/../adm',
    '/adm#x',
    '/pub/x#',
    '/#/adm',
  ],
  'path parameters (Envoy CVE-2026-73511, CVE-2026-73551, CVE-2026-73553)': [
    '/pub/..;/adm',
    '/pub/..;x/adm',
    '/adm;a=b',
    '/pub/;/adm',
    '/pub/..%3b/adm',
    '/;/adm',
  ],
  'path parameters behind a proxy that decodes them: another rule was asked than serves': [
    '/adm%3Bx',
    '/adm%3b',
    '/pub/%3B/adm',
    '/pub/x%3by',
  ],
  'both cases of hex digits and an encoded question mark (Heimdall CVE-2026-42272, CVE-2026-32811)': [
    '/pub/%2f..%2fadm',
    '/pub/%2F..%2Fadm',
    '/adm%3Fx=/pub',
    '/adm%3f',
  ],
  'a target that does not begin with a slash (gRPC-Go CVE-2026-33186)': ['adm', 'pub/../adm', '?/pub'],
  'a prefix taken off before the path is put in order (Traefik CVE-2026-48020, GHSA-6jwx-7vp4-9847, CVE-2025-66490)':
    [
      '/api../adm',
      '/api%2e%2e/adm',
      '/api/../adm',
      '/api/%2e%2e/adm',
      '/api//adm',
      '/api/pub/../../adm',
      '/api%2Fadm',
      '/api;/adm',
    ],
  'encoded letters and their case (Caddy CVE-2026-27587, Istio unreserved characters)': [
    '/%61dm',
    '/%61%64%6D',
    '/ADM%2Fx',
    '/AdM%2fx',
    '/%2561dm',
    '/pub/%252e%252e/adm',
    '/pub/%252fadm',
  ],
  'control characters, NUL and bytes that are no UTF-8': [
    '/pub/%00/../adm',
    '/xyz/.%00../adm',
    '/adm%00',
    '/pub/%0d%0aX:y',
    '/pub/%c0%af/adm',
    '/pub/%c0%ae%c0%ae/adm',
    '/pub/%7f',
    '/pub/%zz',
    '/pub/%2',
    '/pub/%',
  ],
  'the vectors by which Envoy’s own path normalisation is tested': [
    '/pub/b/../c',
    'pub/b/../c',
    '/pub/b/../../../../c',
    '/pub/..\\c',
    '/pub/b/%2E%2E/c',
    '/pub/%2F%2f/c',
    '/pub/%c0%af',
    '/xyz/.%00../abc',
    '//pub/b?x=//',
    '/pub/%2e%2e%2fc',
  ],
  'the query or a header picks the rule (oauth2-proxy CVE-2026-40575, GHSA-7rh7-c77v-6434, GHSA-5hvv-m4w4-gf6v)':
    ['/adm?x=/pub', '/adm?/pub/x', '/adm/?/pub'],
}

for (const [name, targets] of Object.entries(attacks)) {
  test(name, async () => {
    for (const target of targets) {
      const reached = upstream.requests.length
      const reply = await ask(
        stand.port,
        get(target, 'X-Forwarded-Uri: /pub/x', 'User-Agent: kube-probe/1.30'),
      )
      assert.ok([400, 401, 404].includes(reply.status), `${target}: ${reply.status}`)
      assert.equal(upstream.requests.length, reached, `${target} reached the upstream`)
    }
  })
}

test('the same with a token that may read but is no admin', async () => {
  const token = bearer(stand.token({ roles: ['reader'] }))
  for (const target of Object.values(attacks).flat()) {
    const reached = upstream.requests.length
    const reply = await ask(stand.port, get(target, token))
    assert.ok([400, 403, 404].includes(reply.status), `${target}: ${reply.status}`)
    assert.equal(upstream.requests.length, reached, `${target} reached the upstream`)
  }
})

test('and what an admin may have is what the upstream is asked for', async () => {
  const token = bearer(stand.token({ roles: ['admin'] }))
  const cases: readonly (readonly [target: string, asked: string])[] = [
    ['/adm', '/adm'],
    ['/adm/x?y=/../z', '/adm/x?y=/../z'],
    ['/%61dm/%7Ex', '/adm/~x'],
    ['/api/adm/a%20b', '/adm/a%20b'],
    ['/api/adm/%e2%82%ac', '/adm/%E2%82%AC'],
  ]
  for (const [target, asked] of cases) {
    assert.equal((await ask(stand.port, get(target, token))).status, 200, target)
    assert.equal(upstream.requests.at(-1)!.split(' ', 2)[1], asked)
  }
})

test('the open path is open, so that the refusals above mean something', async () => {
  assert.equal((await ask(stand.port, get('/pub/x'))).status, 200)
  assert.equal((await ask(stand.port, get('/api/pub/x'))).status, 200)
})

test('a target for another host, or with a host of its own, is not served', async () => {
  for (const target of [
    'http://other.test/pub/x',
    'http://gateway.test@other.test/pub/x',
    'https://gateway.test:1/pub/x',
    'file:///pub/x',
  ]) {
    assert.equal((await ask(stand.port, get(target))).status, 400, target)
  }
  assert.equal((await ask(stand.port, get('http://gateway.test/pub/x'))).status, 200)
  assert.equal(upstream.requests.at(-1)!.split(' ', 2)[1], '/pub/x')
  assert.equal((await ask(stand.port, get('http://gateway.test/adm'))).status, 401)
})
