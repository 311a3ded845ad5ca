import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ask, bearer, get, openStand, openUpstream, RawClient } from '../gateway/stand.ts'
import type { RawReply, ScriptedUpstream, Stand } from '../gateway/stand.ts'

// Whoever can make the upstream see a header as if the gateway had written it can be anybody. The open route matters
// most: nobody is asked there, and a service may still believe what stands in the request.

let upstream: ScriptedUpstream
let stand: Stand

before(async () => {
  upstream = await openUpstream()
  stand = await openStand(upstream.url)
})
after(async () => {
  await stand.close()
  await upstream.close()
})

const identityNames = [
  'Countersign-Subject',
  'Countersign-Client',
  'Countersign-Issuer',
  'Countersign-Roles',
  'Countersign-Scopes',
  'Countersign-Token-Id',
  'Countersign-Actor',
  'Countersign-Anything',
]

test('spoofed identity headers in every spelling are gone, on open routes as well', async () => {
  const spellings = identityNames.flatMap((name) => [
    name,
    name.toLowerCase(),
    name.toUpperCase(),
    name.replaceAll('-', '_'),
    name.replaceAll('-', '.'),
    name.replace('-', '_'),
  ])
  for (const request of [
    get('/billing/health', ...spellings.map((name) => `${name}: root`)),
    get('/billing/invoices/7', bearer(stand.token()), ...spellings.map((name) => `${name}: root`)),
  ]) {
    const seen = await seenFor(request)
    assert.ok(!seen.includes('root'), seen)
  }
})

test('a claim that is absent leaves no header, not the client’s own (Caddy CVE-2026-30851, APISIX CVE-2026-31908, CVE-2026-39998)', async () => {
  const token = stand.token({ sub: undefined, roles: ['reader'], jti: undefined })
  const seen = await seenFor(
    get(
      '/billing/invoices/7',
      bearer(token),
      'Countersign-Subject: root',
      'Countersign-Actor: root',
      'Countersign-Token-Id: 1',
    ),
  )
  assert.ok(!/countersign-(subject|actor|token-id)/i.test(seen), seen)
  assert.ok(seen.includes('Countersign-Client: orders\r\n'))
})

test('Connection cannot take our headers off (Traefik CVE-2024-45410, fastify reply-from CVE-2026-33805)', async () => {
  for (const name of [
    ...identityNames,
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Real-IP',
    'Authorization',
    'Host',
    'Cookie',
  ]) {
    for (const value of [
      name,
      `close, ${name}`,
      `keep-alive,${name.toUpperCase()}`,
      name.replaceAll('-', '_'),
    ]) {
      const reached = upstream.requests.length
      const reply = await ask(
        stand.port,
        get('/billing/invoices/7', bearer(stand.token()), `Connection: ${value}`),
      )
      assert.equal(reply.status, 400, value)
      assert.equal(upstream.requests.length, reached)
    }
  }
  const seen = await seenFor(get('/billing/health', 'Connection: X-Own, close', 'X-Own: 1', 'X-Other: 2'))
  assert.ok(!seen.includes('X-Own'))
  assert.ok(seen.includes('X-Other: 2'))
})

test('who the client is and what it asked for is ours to say (Traefik GHSA-6384-m2mw-rf54, Oathkeeper GHSA-vhr5-ggp3-qq85, APISIX CVE-2022-24112)', async () => {
  const names = [
    'X-Forwarded-For',
    'X-Forwarded-Proto',
    'X-Forwarded-Host',
    'X-Forwarded-Port',
    'X-Forwarded-Prefix',
    'X-Forwarded-Uri',
    'X-Forwarded-Method',
    'X-Forwarded-User',
    'X-Forwarded-Client-Cert',
    'Forwarded',
    'X-Real-IP',
    'X-Original-URL',
    'X-Original-Method',
    'X-Rewrite-URL',
    'True-Client-IP',
    'X-HTTP-Method-Override',
    'X-Method-Override',
    'Proxy',
  ]
  const seen = await seenFor(get('/billing/health', ...names.map((name) => `${name}: spoofed`)))
  assert.ok(!seen.includes('spoofed'), seen)
  assert.deepEqual(
    seen.split('\r\n').filter((line) => line.startsWith('X-Forwarded-')),
    ['X-Forwarded-For: 127.0.0.1', 'X-Forwarded-Proto: http', 'X-Forwarded-Host: gateway.test'],
  )
})

test('x-envoy-original-path and its kin neither decide nor pass (Envoy CVE-2023-27487, CVE-2024-45806, CVE-2024-7207)', async () => {
  const seen = await seenFor(
    get('/billing/health', 'X-Envoy-Original-Path: /adm', 'x-envoy-external-address: 1.1.1.1'),
  )
  assert.ok(!/x-envoy/i.test(seen))
  const reply = await ask(
    stand.port,
    get('/billing/invoices/7', 'X-Envoy-Original-Path: /billing/health', 'X-Original-URI: /billing/health'),
  )
  assert.equal(reply.status, 401)
})

test('underscores do not stand for hyphens (Traefik CVE-2026-39858, Caddy CVE-2026-52845, oauth2-proxy CVE-2025-64484)', async () => {
  const seen = await seenFor(
    get(
      '/billing/health',
      'X_Forwarded_Proto: https',
      'Remote_Groups: admin',
      'X_User: root',
      'Content_Length: 5',
      'Transfer_Encoding: chunked',
    ),
  )
  assert.ok(!seen.split('\r\n').some((line) => line.slice(0, line.indexOf(':')).includes('_')), seen)
})

test('repeated headers are neither joined nor chosen from (Envoy CVE-2021-32777, CVE-2026-26308, Istio CVE-2026-31838)', async () => {
  const seen = await seenFor(get('/billing/health', 'X-Role: user', 'X-Role: admin'))
  assert.deepEqual(
    seen.split('\r\n').filter((line) => line.startsWith('X-Role')),
    ['X-Role: user', 'X-Role: admin'],
  )
  for (const lines of [
    ['Host: other.test'],
    ['Authorization: Bearer a', 'authorization: Bearer b'],
    ['Content-Type: a/b', 'Content-Type: c/d'],
  ]) {
    assert.equal((await ask(stand.port, get('/billing/health', ...lines))).status, 400, lines.join())
  }
})

test('a Host that is more than a host (express-oauth2-jwt-bearer, 2026)', async () => {
  for (const host of [
    'a@b/c',
    'a/../b',
    'a?b',
    'a#b',
    'a b',
    '',
    ':80',
    'a:80:90',
    'a, b',
    'a\\b',
    '[::1',
    'a%2fb',
  ]) {
    const reply = await raw(`GET /billing/health HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    assert.equal(reply.status, 400, host)
  }
})

test('line breaks and NUL in a header end at the door (Envoy CVE-2019-9900)', async () => {
  for (const value of ['a\0b', 'a\rb', 'a\nb', 'a\x7f', 'a\r\n b']) {
    const reply = await raw(`GET /billing/health HTTP/1.1\r\nHost: a\r\nX: ${value}\r\n\r\n`)
    assert.equal(reply.status, 400, JSON.stringify(value))
  }
})

test('claims cannot write headers', async () => {
  const evil = 'x\r\nCountersign-Roles: ["admin"]\r\n\r\nGET /adm HTTP/1.1\r\nHost: a\r\n\r\n'
  const token = stand.token({
    sub: evil,
    client_id: evil,
    jti: evil,
    roles: ['reader', evil],
    scope: `a ${evil}`,
    act: { sub: evil },
  })
  const seen = await seenFor(get('/billing/invoices/7', bearer(token)))
  assert.equal(seen.split('\r\n\r\n').length, 2)
  assert.equal(seen.match(/^Countersign-Roles: /gm)?.length, 1)
  assert.ok(!seen.includes('\r\nGET /adm'))
})

test('TRACE does not show what the gateway adds', async () => {
  const reply = await raw(`TRACE /billing/echo HTTP/1.1\r\nHost: a\r\n${bearer(stand.token())}\r\n\r\n`)
  assert.equal(reply.status, 501)
})

/** What the upstream saw of an allowed request. */
async function seenFor(request: string): Promise<string> {
  const reached = upstream.requests.length
  const reply = await ask(stand.port, request)
  assert.equal(reply.status, 200, reply.body)
  assert.equal(upstream.requests.length, reached + 1)
  return upstream.requests.at(-1)!
}

/** Sends bytes as they are, and takes the reply with which the connection closes. */
async function raw(text: string): Promise<RawReply> {
  const client = new RawClient(stand.port).send(text)
  const reply = await client.reply()
  await client.end()
  return reply
}
