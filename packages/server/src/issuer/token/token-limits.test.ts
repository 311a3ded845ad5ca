import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTokenLimits } from './token-limits.ts'
import { ordersSecret, settings, startIssuer, trust } from '../../../../../test/issuer/fixture.ts'

const nowMs = Date.UTC(2026, 10, 22)

test('without limits nobody is refused', () => {
  const limits = createTokenLimits()
  for (let index = 0; index < 1000; index++) {
    assert.equal(limits.forClient('orders', nowMs), undefined)
    assert.equal(limits.forAddress('192.0.2.1', nowMs), undefined)
  }
})

test('a client that asks too often is told how long to wait, and others are not concerned', () => {
  const limits = createTokenLimits({ client: { perSecond: 0.1, burst: 2 } })
  assert.equal(limits.forClient('orders', nowMs), undefined)
  assert.equal(limits.forClient('orders', nowMs), undefined)
  const refusal = limits.forClient('orders', nowMs)
  assert.equal(refusal?.status, 429)
  assert.equal(refusal?.retryAfterSeconds, 10)
  assert.match(refusal?.description ?? '', /this client asks too often: .* try again in 10 s$/)
  assert.equal(limits.forClient('stock', nowMs), undefined)
  assert.equal(limits.forClient('orders', nowMs + 10_000), undefined)
})

test('an IPv6 customer cannot multiply by addresses', () => {
  const limits = createTokenLimits({ address: { perSecond: 1, burst: 1 } })
  assert.equal(limits.forAddress('2001:db8:0:1::1', nowMs), undefined)
  assert.equal(limits.forAddress('2001:db8:0:1:ffff::7', nowMs)?.status, 429)
  assert.equal(limits.forAddress('2001:db8:0:2::1', nowMs), undefined)
})

test('revocations are counted by themselves, and introspections are not', async (t) => {
  const limits = { client: { perSecond: 0.1, burst: 2 } }
  const fixture = await startIssuer({ settings: settings('https://issuer.example', { limits }) })
  t.after(() => fixture.close())
  const post = (path: string, form: string) =>
    fixture.send('POST', path, {
      body: `${form}&client_id=orders&client_secret=${ordersSecret}`,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    })
  for (const status of [200, 200, 429])
    assert.equal((await post('/token', 'grant_type=client_credentials')).status, status)
  for (const status of [200, 200, 429]) assert.equal((await post('/revoke', 'token=none')).status, status)
  assert.equal((await post('/revoke', 'token=none')).headers['retry-after'], '10')
  for (let index = 0; index < 4; index++) assert.equal((await post('/introspect', 'token=none')).status, 200)
})

test('too often from one address is 429 with Retry-After, and the address is whom a trusted proxy speaks for', async (t) => {
  const fixture = await startIssuer({
    trust: { ...trust(), trustedProxies: ['127.0.0.0/8'] },
    settings: settings('https://issuer.example', { limits: { address: { perSecond: 0.1, burst: 2 } } }),
  })
  t.after(() => fixture.close())
  const ask = (from: string) =>
    fixture.ask(`grant_type=client_credentials&client_id=orders&client_secret=${ordersSecret}`, {
      'X-Forwarded-For': from,
    })
  for (const from of ['6.6.6.6, 192.0.2.1', '6.6.6.7, 192.0.2.1']) assert.equal((await ask(from)).status, 200)
  const refused = await ask('6.6.6.8, 192.0.2.1')
  assert.deepEqual(
    [refused.status, refused.headers['retry-after'], refused.json['error']],
    [429, '10', 'temporarily_unavailable'],
  )
  assert.equal((await ask('192.0.2.2')).status, 200)
  fixture.clock.nowMs += 10_000
  assert.equal((await ask('192.0.2.1')).status, 200)
})
