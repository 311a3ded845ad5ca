import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gateRequest } from './request-gate.ts'
import type { GatedRequest, GateRefusal, RawRequest } from './request-gate.ts'

test('an ordinary request', () => {
  const gated = pass({
    method: 'GET',
    url: '/a?b',
    rawHeaders: ['Host', 'Billing.example:80', 'Accept', '*/*'],
  })
  assert.deepEqual(gated, {
    kind: 'request',
    method: 'GET',
    target: '/a?b',
    host: { authority: 'Billing.example:80', name: 'billing.example' },
    body: 'none',
    dropped: undefined,
    via: undefined,
    websocket: false,
  })
})

test('bodies', () => {
  assert.equal(pass({ rawHeaders: [...host, 'Content-Length', '12'] }).body, 12)
  assert.equal(pass({ rawHeaders: [...host, 'content-length', '0'] }).body, 0)
  assert.equal(pass({ rawHeaders: [...host, 'Transfer-Encoding', 'Chunked'] }).body, 'chunked')
})

test('HTTP/1.0 needs no Host', () => {
  assert.equal(pass({ httpVersionMinor: 0, rawHeaders: [] }).host, undefined)
})

test('headers named in Connection are dropped at this hop', () => {
  const rawHeaders = [...host, 'Connection', 'close, X-Trace ,te', 'X-Trace', '1', 'connection', 'X-Other']
  assert.deepEqual(pass({ rawHeaders }).dropped, ['x-trace', 'x-other'])
  assert.equal(pass({ rawHeaders: [...host, 'Connection', 'Keep-Alive, Upgrade'] }).dropped, undefined)
})

test('an absolute target that agrees with Host is read as its path', () => {
  assert.equal(pass({ url: 'http://Billing.example/a?b' }).target, '/a?b')
  assert.equal(pass({ url: 'HTTP://billing.example' }).target, '/')
})

test('an upgrade to h2c is an offer, and not taken', () => {
  const rawHeaders = [
    ...host,
    'Connection',
    'Upgrade, HTTP2-Settings',
    'Upgrade',
    'h2c',
    'HTTP2-Settings',
    'x',
  ]
  assert.equal(pass({ rawHeaders }).kind, 'request')
})

test('a WebSocket is asked for by GET, by HTTP/1.1, alone, and without a body', () => {
  const asked = [...host, 'Connection', 'keep-alive, Upgrade', 'Upgrade', 'WebSocket']
  assert.equal(pass({ rawHeaders: asked }).websocket, true)
  assert.equal(pass({}).websocket, false)
  for (const parts of [
    { rawHeaders: asked, method: 'POST' },
    { rawHeaders: asked, httpVersionMinor: 0 },
    { rawHeaders: [...host, 'Connection', 'Upgrade', 'Upgrade', 'websocket, h2c'] },
    { rawHeaders: [...asked, 'Upgrade', 'websocket'] },
    { rawHeaders: [...host, 'Upgrade', 'websocket'] },
  ]) {
    assert.deepEqual(gateRequest(request(parts)), { kind: 'unsupported', what: 'upgrade' })
  }
  assert.equal(gateRequest(request({ rawHeaders: [...asked, 'Content-Length', '1'] })).kind, 'denied')
})

test('everything else of an upgrade, and methods that mirror or tunnel, are not supported', () => {
  for (const upgrade of ['websocket', 'h2c, websocket', 'TLS/1.0']) {
    const refusal = gateRequest(request({ rawHeaders: [...host, 'Upgrade', upgrade] }))
    assert.deepEqual(refusal, { kind: 'unsupported', what: 'upgrade' }, upgrade)
  }
  assert.deepEqual(gateRequest(request({ method: 'TRACE' })), { kind: 'unsupported', what: 'method' })
  assert.deepEqual(gateRequest(request({ method: 'CONNECT' })), { kind: 'unsupported', what: 'method' })
})

test('OPTIONS * is for the gateway itself', () => {
  assert.deepEqual(gateRequest(request({ method: 'OPTIONS', url: '*' })), { kind: 'asterisk' })
})

test('two Authorization headers are refused, equal or not', () => {
  const refusal = gateRequest(
    request({ rawHeaders: [...host, 'Authorization', 'Bearer a', 'AUTHORIZATION', 'Bearer a'] }),
  )
  assert.ok(refusal.kind === 'denied')
  assert.equal(refusal.denial.reason, 'token-repeated')
})

test('refuses what two servers could read differently', () => {
  const cases: Readonly<Record<string, Partial<RawRequest>>> = {
    'HTTP/2.0 on a line of HTTP/1': { httpVersionMajor: 2, httpVersionMinor: 0 },
    'HTTP/0.9': { httpVersionMajor: 0, httpVersionMinor: 9 },
    'HTTP/1.2': { httpVersionMinor: 2 },
    'no Host': { rawHeaders: ['Accept', '*/*'] },
    'two Hosts': { rawHeaders: [...host, 'HOST', 'billing.example'] },
    'an empty Host': { rawHeaders: ['Host', ''] },
    'userinfo in Host': { rawHeaders: ['Host', 'a@billing.example'] },
    'a path in Host': { rawHeaders: ['Host', 'billing.example/x'] },
    'a list in Host': { rawHeaders: ['Host', 'a, b'] },
    'two lengths': { rawHeaders: [...host, 'Content-Length', '1', 'Content-Length', '1'] },
    'a signed length': { rawHeaders: [...host, 'Content-Length', '+1'] },
    'length and coding': { rawHeaders: [...host, 'Content-Length', '1', 'Transfer-Encoding', 'chunked'] },
    'two codings': { rawHeaders: [...host, 'Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'] },
    'an empty coding before chunked': { rawHeaders: [...host, 'Transfer-Encoding', ',chunked'] },
    'identity before chunked': { rawHeaders: [...host, 'Transfer-Encoding', 'identity, chunked'] },
    'a coding in HTTP/1.0': { httpVersionMinor: 0, rawHeaders: ['Transfer-Encoding', 'chunked'] },
    'two content types': { rawHeaders: [...host, 'Content-Type', 'a/b', 'content-type', 'c/d'] },
    'an absolute target for another host': { url: 'http://other.example/a' },
    'an absolute target with userinfo': { url: 'http://u@billing.example/a' },
    'an absolute target with a port of its own': { url: 'http://billing.example:81/a' },
    'an absolute target of another scheme': { url: 'ftp://billing.example/a' },
    'an absolute target and no Host': {
      httpVersionMinor: 0,
      url: 'http://billing.example/a',
      rawHeaders: [],
    },
    'a target that is neither': { url: 'billing.example:80' },
    '* for another method': { url: '*' },
    'too many headers': { rawHeaders: [...host, ...Array<string>(204).fill('x')] },
  }
  for (const [name, parts] of Object.entries(cases)) {
    const refusal = gateRequest(request(parts))
    assert.ok(refusal.kind === 'denied', name)
    assert.equal(refusal.denial.reason, 'request-malformed', name)
  }
})

test('Connection must not name what we decide by, or what we say', () => {
  for (const name of [
    'Authorization',
    'host',
    'Content-Length',
    'Transfer_Encoding',
    'Cookie',
    'Countersign-Subject',
    'countersign_roles',
    'X-Forwarded-For',
    'X-Real-IP',
    'Forwarded',
    'Via',
    'Content-Type',
  ]) {
    const refusal = gateRequest(request({ rawHeaders: [...host, 'Connection', `close, ${name}`] }))
    assert.equal(refusal.kind, 'denied', name)
  }
})

test('a refusal repeats nothing of the request', () => {
  const refusal = gateRequest(request({ rawHeaders: ['Host', 'secret@host'] }))
  assert.ok(refusal.kind === 'denied')
  assert.ok(!refusal.denial.detail.includes('secret'))
})

function pass(parts: Partial<RawRequest>): GatedRequest {
  const gated: GatedRequest | GateRefusal = gateRequest(request(parts))
  assert.ok(gated.kind === 'request', JSON.stringify(gated))
  return gated
}

function request(parts: Partial<RawRequest>): RawRequest {
  const { rawHeaders = host } = parts
  const headers: Record<string, string> = {}
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    headers[name] = name in headers ? `${headers[name]}, ${rawHeaders[i + 1]!}` : rawHeaders[i + 1]!
  }
  return { httpVersionMajor: 1, httpVersionMinor: 1, method: 'GET', url: '/', rawHeaders, headers, ...parts }
}

const host: string[] = ['Host', 'billing.example']
