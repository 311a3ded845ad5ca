import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, test } from 'node:test'
import { Problem } from '@countersign/sdk/core'
import { createVerifier, inspectToken } from '@countersign/sdk/jwt'
import { createMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { createIssuer } from './issuer.ts'
import {
  basic,
  orders,
  ordersSecret,
  settings,
  shopSecret,
  startIssuer,
  trust,
} from '../../../../test/issuer/fixture.ts'
import type { Fixture } from '../../../../test/issuer/fixture.ts'

const grant = 'grant_type=client_credentials'
const body = `${grant}&client_id=orders&client_secret=${ordersSecret}`
const shared = await startIssuer()
after(() => shared.close())

test('gives a token that the issuer’s own key set verifies', async () => {
  const answer = await shared.ask(body)
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['content-type'], 'application/json')
  assert.equal(answer.headers['cache-control'], 'no-store')
  assert.equal(answer.headers['pragma'], 'no-cache')
  assert.deepEqual(Object.keys(answer.json), ['access_token', 'token_type', 'expires_in', 'scope'])
  assert.deepEqual(
    [answer.json['token_type'], answer.json['expires_in'], answer.json['scope']],
    ['Bearer', 300, 'invoices:write'],
  )
  const outcome = await verifier(shared).verify(String(answer.json['access_token']))
  assert.ok(outcome.kind === 'verified')
  assert.equal(outcome.token.subject, 'orders')
  assert.equal(outcome.token.clientId, 'orders')
  assert.deepEqual(outcome.token.claims['roles'], ['reader'])
})

test('takes the client from the header as well', async () => {
  assert.equal((await shared.ask(grant, basic('orders', ordersSecret))).status, 200)
})

test('a wrong secret in the header is 401 with a challenge, in the body 400 without', async () => {
  const header = await shared.ask(grant, basic('orders', 'wrong'))
  assert.equal(header.status, 401)
  assert.match(header.headers['www-authenticate'] ?? '', /^Basic realm="/)
  const inBody = await shared.ask(`${grant}&client_id=orders&client_secret=wrong`)
  assert.equal(inBody.status, 400)
  assert.equal(inBody.headers['www-authenticate'], undefined)
  for (const answer of [header, inBody]) {
    assert.equal(answer.json['error'], 'invalid_client')
    assert.equal(answer.headers['cache-control'], 'no-store')
  }
})

test('two Authorization headers are two methods, though Node shows only the first', async () => {
  const { Authorization } = basic('orders', ordersSecret)
  const answer = await shared.send('POST', '/token', {
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      Authorization: [Authorization, Authorization],
    },
    body: grant,
  })
  assert.deepEqual([answer.status, answer.json['error']], [400, 'invalid_request'])
})

test('parameters in the URL are refused, so that no secret learns to travel there', async () => {
  const answer = await shared.send('POST', `/token?${body}`, {
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: 'x=1',
  })
  assert.deepEqual([answer.status, answer.json['error']], [400, 'invalid_request'])
})

test('a body over the limit is refused whether its length is announced or not, and the connection closed', async () => {
  const large = `${body}&padding=${'x'.repeat(60_000)}`
  for (const headers of [{ 'Content-Length': String(large.length) }, { 'Transfer-Encoding': 'chunked' }]) {
    const answer = await shared.ask(large, headers)
    assert.deepEqual([answer.status, answer.json['error']], [413, 'invalid_request'])
    assert.equal(answer.headers.connection, 'close')
  }
})

test('a body that comes in pieces is one body', async () => {
  const socket = connect(Number(new URL(shared.url).port), '127.0.0.1')
  socket.write(`POST /token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${body.length}\r\n`)
  socket.write(`Content-Type: application/x-www-form-urlencoded\r\n\r\n${body.slice(0, 30)}`)
  setTimeout(() => socket.write(body.slice(30)), 30)
  let received = ''
  for await (const chunk of socket) received += String(chunk)
  assert.match(received, /^HTTP\/1\.1 200 /)
})

test('pipelined requests are answered in order', async () => {
  const socket = connect(Number(new URL(shared.url).port), '127.0.0.1')
  const head = `POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n`
  const bad = `${grant}&client_id=orders&client_secret=wrong`
  socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`)
  socket.write(`${head}Connection: close\r\nContent-Length: ${bad.length}\r\n\r\n${bad}`)
  let received = ''
  for await (const chunk of socket) received += String(chunk)
  assert.deepEqual(received.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 400'])
})

test('other methods are refused with those that are allowed', async () => {
  for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    const answer = await shared.send(method, '/token')
    assert.deepEqual([answer.status, answer.headers['allow']], [405, 'POST'], method)
  }
  for (const path of [
    '/livez',
    '/readyz',
    '/.well-known/jwks.json',
    '/.well-known/oauth-authorization-server',
  ]) {
    const answer = await shared.send('POST', path, { body: 'x' })
    assert.deepEqual([answer.status, answer.headers['allow']], [405, 'GET, HEAD'], path)
  }
})

test('an unknown path is a problem document', async () => {
  for (const path of [
    '/',
    '/tokens',
    '/token/',
    '/Token',
    '//token',
    '/.well-known/',
    '/__proto__',
    '/%74oken',
  ]) {
    const answer = await shared.send('GET', path)
    assert.equal(answer.status, 404, path)
    assert.equal(answer.headers['content-type'], 'application/problem+json')
    assert.deepEqual(answer.json, { type: 'about:blank', title: 'Not Found', status: 404 })
  }
})

test('a request for the head gets the head of the whole answer', async () => {
  for (const path of ['/.well-known/jwks.json', '/livez']) {
    const [head, full] = [await shared.send('HEAD', path), await shared.send('GET', path)]
    assert.equal(head.body, '')
    assert.equal(head.status, 200)
    for (const name of ['content-type', 'content-length', 'etag', 'cache-control']) {
      assert.equal(head.headers[name], full.headers[name], name)
    }
  }
})

test('alive and ready', async () => {
  assert.deepEqual((await shared.send('GET', '/livez')).json, { status: 'alive' })
  assert.deepEqual((await shared.send('GET', '/readyz?from=probe')).json, { status: 'ready' })
})

test('an issuer under a path serves RFC 8414’s place, OpenID’s place and its endpoints', async () => {
  const fixture = await startIssuer({ at: '/tenant' })
  const expected = {
    issuer: fixture.url,
    token_endpoint: `${fixture.url}/token`,
    jwks_uri: `${fixture.url}/.well-known/jwks.json`,
  }
  for (const path of [
    '/.well-known/oauth-authorization-server/tenant',
    '/tenant/.well-known/openid-configuration',
  ]) {
    const { json } = await fixture.send('GET', path)
    assert.deepEqual({ ...json, ...expected }, json, path)
  }
  assert.equal((await fixture.ask(body)).status, 200)
  assert.equal((await fixture.send('POST', '/token')).status, 404)
  await fixture.close()
})

test('a lost store changes nothing for a while; then the issuer says 503 everywhere but stays alive', async () => {
  const { store, outage } = failingStore()
  const fixture = await startIssuer({ store })
  outage.down = true
  fixture.clock.nowMs += 60_000
  assert.equal((await fixture.ask(body)).status, 200)

  fixture.clock.nowMs += 36_000_000
  for (const answer of [
    await fixture.ask(body),
    await fixture.send('GET', '/.well-known/jwks.json'),
    await fixture.send('GET', '/readyz'),
  ]) {
    assert.equal(answer.status, 503)
    assert.ok(Number(answer.headers['retry-after']) > 0)
    assert.doesNotMatch(answer.body, /ring|store|at .*\.ts/)
  }
  assert.equal((await fixture.send('GET', '/livez')).status, 200)
  assert.ok(fixture.logged.some((line) => line.startsWith('token.failed') && line.includes('ring-stale')))

  outage.down = false
  await fixture.issuer.keyRing.refresh()
  assert.equal((await fixture.ask(body)).status, 200)
  await fixture.close()
})

test('a token waits for no store', async () => {
  const { store, calls } = failingStore()
  const fixture = await startIssuer({ store })
  const before = calls.count
  for (let count = 0; count < 5; count++) assert.equal((await fixture.ask(body)).status, 200)
  assert.equal(calls.count, before)
  await fixture.close()
})

test('another trust file counts from the next request on', async () => {
  const fixture = await startIssuer()
  fixture.issuer.replace(trust([]))
  assert.equal((await fixture.ask(body)).json['error'], 'invalid_client')
  fixture.issuer.replace(trust([{ ...orders, may: [] }]))
  assert.equal((await fixture.ask(body)).json['error'], 'unauthorized_client')
  fixture.issuer.replace(trust())
  assert.equal((await fixture.ask(body)).status, 200)
  await fixture.close()
})

test('guessing is answered 429 with the time to wait', async () => {
  const fixture = await startIssuer()
  const wrong = `${grant}&client_id=orders&client_secret=wrong`
  for (let count = 0; count < 30; count++) assert.equal((await fixture.ask(wrong)).status, 400)
  const answer = await fixture.ask(body)
  assert.equal(answer.status, 429)
  assert.equal(answer.headers['retry-after'], '2')
  assert.equal(
    (await fixture.ask(`${grant}&client_id=shop&client_secret=${shopSecret}&audience=stock`)).status,
    200,
  )
  await fixture.close()
})

test('the log joins a token to its records by its id, and holds neither tokens nor secrets', async () => {
  const fixture = await startIssuer()
  const { json } = await fixture.ask(body)
  await fixture.ask(grant, basic('orders', 'hush-hush-wrong'))
  await fixture.ask(`${grant}&client_id=hush-hush-id&client_secret=hush-hush-wrong`)
  const token = String(json['access_token'])
  const { claims } = inspectToken(token)
  const line = fixture.logged.find((entry) => entry.startsWith('token.issued')) ?? ''
  assert.ok(line.includes(String(claims?.['jti'])))
  assert.ok(line.includes('"client":"orders"') && line.includes('"service":"billing"'))
  assert.equal(fixture.logged.filter((entry) => entry.startsWith('token.refused')).length, 2)
  for (const entry of fixture.logged) {
    // Each part of the token, and not how it begins: an id may begin like that as well.
    for (const hidden of ['hush', ordersSecret, ...token.split('.')])
      assert.ok(!entry.includes(hidden), entry)
  }
  await fixture.close()
})

test('a client that leaves half-way harms nobody', async () => {
  const port = Number(new URL(shared.url).port)
  for (let count = 0; count < 20; count++) {
    const socket = connect(port, '127.0.0.1')
    socket.write('POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n')
    socket.write(`Content-Length: ${body.length}\r\n\r\n${body.slice(0, count)}`)
    await new Promise((resolve) => setImmediate(resolve))
    socket.destroy()
  }
  assert.equal((await shared.ask(body)).status, 200)
})

test('an unsafe rotation or an option that does not exist refuses to start', async () => {
  const keys = { ...settings('').keys, rotateEverySeconds: 600 }
  const options = { trust: trust(), store: createMemoryStore() }
  await assert.rejects(createIssuer({ ...options, settings: settings('https://issuer.example', { keys }) }), {
    code: 'rotation-unsafe',
  })
  await assert.rejects(
    createIssuer({ ...options, settings: settings('https://issuer.example'), ...{ clocc: 1 } }),
    { code: 'option-unknown' },
  )
})

test('a request that names the origin first is the same request', async () => {
  const { host, port } = new URL(shared.url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.write(`GET http://${host}/livez HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  socket.write(`GET http://${host} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  let received = ''
  for await (const chunk of socket) received += String(chunk)
  assert.deepEqual(received.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 404'])
})

function failingStore(): { store: Store; outage: { down: boolean }; calls: { count: number } } {
  const inner = createMemoryStore()
  const outage = { down: false }
  const calls = { count: 0 }
  const guarded =
    <Arguments extends unknown[], Result>(use: (...given: Arguments) => Promise<Result>) =>
    async (...given: Arguments): Promise<Result> => {
      calls.count++
      if (outage.down) throw new Problem('store-unavailable', 'the store is down')
      return use(...given)
    }
  const store = {
    ...inner,
    readRing: guarded(inner.readRing),
    replaceRing: guarded(inner.replaceRing),
    putOnce: guarded(inner.putOnce),
  }
  return { store, outage, calls }
}

function verifier(fixture: Fixture): ReturnType<typeof createVerifier> {
  return createVerifier({
    issuer: fixture.url,
    audience: 'https://billing.acme.example',
    keySet: fixture.issuer.keySet,
    clock: () => fixture.clock.nowMs,
  })
}
