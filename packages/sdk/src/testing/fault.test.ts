import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTokenSource } from '../client/token-source.ts'
import { checkFault } from './fault.ts'
import type { Fault } from './fault.ts'
import { startTestIssuer } from './loopback-issuer.ts'

test('a status, and when to come again, at every endpoint', async () => {
  await using issuer = await startTestIssuer()
  for (const [endpoint, path] of Object.entries({
    metadata: '/.well-known/oauth-authorization-server',
    keys: '/.well-known/jwks.json',
    token: '/token',
    revocations: '/revocations',
  })) {
    issuer.fail({ [endpoint]: { status: 503, retryAfterSeconds: 120 } })
    const reply = await fetch(issuer.url + path)
    assert.deepEqual([reply.status, reply.headers.get('retry-after')], [503, '120'], endpoint)
    issuer.fail({ [endpoint]: { status: 500 } })
    const other = await fetch(issuer.url + path)
    assert.deepEqual([other.status, other.headers.get('retry-after')], [500, null], endpoint)
  }
})

test('a token source learns from it when to ask again', async () => {
  await using issuer = await startTestIssuer({ nowMs: 1_800_000_000_000 })
  const source = createTokenSource(issuer.credentials())
  issuer.fail({ token: { status: 503, retryAfterSeconds: 120 } })
  await assert.rejects(source.token(), { code: 'token-unavailable', retryAfterSeconds: 120 })
  issuer.recover()
  issuer.advance(119)
  await assert.rejects(source.token(), { code: 'token-unavailable' })
  assert.equal(issuer.requests.token, 1, 'it is left alone until then')
  issuer.advance(10)
  await source.token()
})

test('a fault that none can be is refused', () => {
  for (const fault of [
    0,
    99,
    600,
    503.5,
    Number.NaN,
    'rest',
    '503',
    null,
    { status: '503' },
    {},
  ] as never[]) {
    assert.throws(() => checkFault('keys', fault), { code: 'option-invalid' }, JSON.stringify(fault))
  }
  for (const retryAfterSeconds of [-1, 0.5, Infinity, '120'] as never[]) {
    assert.throws(() => checkFault('keys', { status: 503, retryAfterSeconds }), { code: 'option-invalid' })
  }
  assert.throws(() => checkFault('keys', { status: 503, retryAfter: 30 } as Fault), {
    code: 'option-unknown',
  })
})
