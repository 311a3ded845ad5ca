/**
 * The checks of the FAPI 2.0 client credentials profile that concern client authentication, over HTTP. Named after what
 * they check; a reimplementation, and no certification.
 */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { Problem } from '@countersign/sdk/core'
import { generateSigningKey } from '@countersign/sdk/jwt'
import { createMemoryStore } from '../../packages/server/src/store/memory.ts'
import { assertionFields, assertionOf, goodClaims, keyedClient } from '../issuer/assertion.ts'
import { basic, orders, ordersSecret, startIssuer, trust } from '../issuer/fixture.ts'

const first = keyedClient('first', { algorithm: 'PS256' })
const second = keyedClient('second')
const rules = trust([first.client, second.client, orders])
const fixture = await startIssuer({ trust: rules })
after(() => fixture.close())
const grant = { grant_type: 'client_credentials' }

test('happy flow', async () => {
  const answer = await fixture.ask(assertionFields(assertion(), grant))
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['cache-control'], 'no-store')
  assert.equal(answer.json['token_type'], 'Bearer')
})

test('discovery names the method, the grant and the algorithms', async () => {
  const { json } = await fixture.send('GET', '/.well-known/oauth-authorization-server')
  assert.ok((json['grant_types_supported'] as string[]).includes('client_credentials'))
  assert.ok((json['token_endpoint_auth_methods_supported'] as string[]).includes('private_key_jwt'))
  const algorithms = json['token_endpoint_auth_signing_alg_values_supported'] as string[]
  for (const algorithm of ['PS256', 'ES256', 'EdDSA']) assert.ok(algorithms.includes(algorithm), algorithm)
})

describe('refused', () => {
  const now = Math.floor(fixture.clock.nowMs / 1000)
  const cases: [name: string, body: () => string, error: string][] = [
    [
      'no client assertion in the token request',
      () => new URLSearchParams({ ...grant, client_id: 'first' }).toString(),
      'invalid_client',
    ],
    ['exp is 5 minutes in the past', () => fields({ exp: now - 300 }), 'invalid_client'],
    ['no sub', () => fields({ sub: undefined }), 'invalid_client'],
    ['wrong aud', () => fields({ aud: 'https://other.example' }), 'invalid_client'],
    ['aud is the token endpoint', () => fields({ aud: `${fixture.url}/token` }), 'invalid_client'],
    ['aud is an array', () => fields({ aud: [fixture.url] }), 'invalid_client'],
    ['iat an hour ahead', () => fields({ iat: now + 3600 }), 'invalid_client'],
    ['nbf more than a minute ahead', () => fields({ nbf: now + 90 }), 'invalid_client'],
    ['no jti', () => fields({ jti: undefined }), 'invalid_client'],
    [
      'signed with RS256 by a key that is for PS256',
      () => assertionFields(assertionOf(rs256Twin, goodClaims('first', fixture.url, now * 1000)), grant),
      'invalid_client',
    ],
    ['the id of another client beside it', () => fields({}, { client_id: 'second' }), 'invalid_request'],
    [
      'another client’s assertion',
      () => assertionFields(assertionOf(second.key, goodClaims('first', fixture.url, now * 1000)), grant),
      'invalid_client',
    ],
    [
      'no type of assertion',
      () => new URLSearchParams({ ...grant, client_assertion: assertion() }).toString(),
      'invalid_request',
    ],
    [
      'a secret beside it',
      () => fields({}, { client_id: 'orders', client_secret: ordersSecret }),
      'invalid_request',
    ],
    ['the assertion twice', () => `${fields({})}&client_assertion=x`, 'invalid_request'],
  ]
  for (const [name, body, error] of cases) {
    test(name, async () => {
      const answer = await fixture.ask(body())
      assert.equal(answer.json['error'], error)
      assert.ok(answer.status === 400 || answer.status === 401)
      assert.equal(answer.json['access_token'], undefined)
      // Its characters are limited (RFC 6749 §5.2).
      assert.match(String(answer.json['error_description']), /^[ !#-[\]-~]+$/)
    })
  }

  test('Basic credentials beside it', async () => {
    const answer = await fixture.ask(fields({}), basic('orders', ordersSecret))
    assert.equal(answer.json['error'], 'invalid_request')
  })

  test('the same assertion again', async () => {
    const body = fields({})
    assert.equal((await fixture.ask(body)).status, 200)
    assert.equal((await fixture.ask(body)).json['error'], 'invalid_client')
  })
})

describe('accepted', () => {
  const now = Math.floor(fixture.clock.nowMs / 1000)
  for (const [name, changes] of [
    ['iat 10 s ahead', { iat: now + 10 }],
    ['nbf 10 s ahead', { nbf: now + 10 }],
    ['nbf 8 s in the past', { nbf: now - 8 }],
  ] as const) {
    test(name, async () => assert.equal((await fixture.ask(fields(changes))).status, 200))
  }
})

test('while the store is down there is no token and no refusal', async () => {
  const store = {
    ...createMemoryStore(),
    putOnce: () => Promise.reject(new Problem('store-unavailable', 'gone')),
  }
  const down = await startIssuer({ trust: rules, store })
  const good = assertionOf(first.key, goodClaims('first', down.url, down.clock.nowMs))
  const answer = await down.ask(assertionFields(good, grant))
  assert.equal(answer.status, 503)
  assert.equal(answer.headers['retry-after'], '5')
  assert.equal((await down.ask('grant_type=client_credentials', basic('orders', ordersSecret))).status, 200)
  await down.close()
})

test('nothing that was shown is in the log', async () => {
  const good = assertion()
  await fixture.ask(assertionFields(good, grant))
  await fixture.ask(assertionFields(good, grant))
  for (const part of good.split('.')) {
    assert.ok(fixture.logged.every((line) => !line.includes(part)))
  }
})

const rs256Twin = generateSigningKey('RS256', { keyId: first.key.keyId })

function assertion(changes: object = {}): string {
  return assertionOf(first.key, goodClaims('first', fixture.url, fixture.clock.nowMs, changes))
}

function fields(changes: object, more: Record<string, string> = {}): string {
  return assertionFields(assertion(changes), { ...grant, ...more })
}
