import assert from 'node:assert/strict'
import { createHmac, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import { Problem } from '@countersign/sdk/core'
import { generateSigningKey, publicJwk, verificationKey } from '@countersign/sdk/jwt'
import { silentLog } from '../../log.ts'
import { createMemoryStore } from '../../store/memory.ts'
import type { Client } from '../../trust/trust.ts'
import { assertionAlgorithms, createAssertionAuth } from './client-assertion.ts'
import type { AssertionAuth, AssertionAuthOptions } from './client-assertion.ts'
import type { AuthRefusal } from './client-auth.ts'
import { isRefusal } from '../http/refusal.ts'
import { createRemoteKeys } from './remote-keys.ts'
import { assertionOf, goodClaims, jwtBearer, keyedClient } from '../../../../../test/issuer/assertion.ts'
import { orders as secretClient } from '../../../../../test/issuer/fixture.ts'

const issuer = 'https://issuer.example'
const tokenEndpoint = 'https://issuer.example/token'
const nowMs = 1_800_000_000_000
const nowSeconds = nowMs / 1000
const orders = keyedClient('orders')
const legacy = keyedClient('legacy', { legacyAudience: true })
const auth = authOf([orders.client, legacy.client, secretClient].slice(0, 2))

test('a client is known by what it signs', async () => {
  assert.equal(await show(sign({})), orders.client)
})

test('and by nothing else beside it, which may be left out or repeat the client', async () => {
  assert.equal(await show(sign({}), { clientId: 'orders' }), orders.client)
  const other = await refusal(sign({}), { clientId: 'legacy' })
  assert.equal(other.error, 'invalid_request')
})

describe('accepted', () => {
  const good: [what: string, assertion: () => string][] = [
    ['typ client-authentication+jwt', () => sign({}, {}, 'client-authentication+jwt')],
    ['typ in its long form and other case', () => sign({}, {}, 'application/Client-Authentication+JWT')],
    ['typ JWT, which says nothing', () => sign({}, {}, 'JWT')],
    ['no typ', () => sign({})],
    ['no iat', () => sign({ iat: undefined })],
    ['iat 10 s ahead', () => sign({ iat: nowSeconds + 10 })],
    ['nbf 10 s ahead', () => sign({ nbf: nowSeconds + 10 })],
    ['exp an hour ahead', () => sign({ exp: nowSeconds + 3600 })],
    ['claims that are not known', () => sign({ colour: 'red' })],
  ]
  for (const [what, assertion] of good)
    test(what, async () => assert.equal(await show(assertion()), orders.client))
})

describe('refused as invalid_client', () => {
  const stranger = generateSigningKey('ES256', { keyId: orders.key.keyId })
  const bad: [what: string, reason: string, assertion: () => string][] = [
    ['aud is the token endpoint', 'audience-mismatch', () => sign({ aud: tokenEndpoint })],
    ['aud has a slash more', 'audience-mismatch', () => sign({ aud: `${issuer}/` })],
    ['aud in other case', 'audience-mismatch', () => sign({ aud: issuer.toUpperCase() })],
    ['aud is a list of our issuer', 'audience-mismatch', () => sign({ aud: [issuer] })],
    ['aud is a list with others', 'audience-mismatch', () => sign({ aud: [issuer, 'https://x.example'] })],
    ['aud is missing', 'audience-mismatch', () => sign({ aud: undefined })],
    ['sub is missing', 'claim-missing', () => sign({ sub: undefined })],
    ['sub is another client', 'claim-malformed', () => sign({ sub: 'legacy' })],
    ['iss is missing', 'issuer-mismatch', () => sign({ iss: undefined })],
    ['iss is another client', 'key-unknown', () => sign({ iss: 'legacy', sub: 'legacy' })],
    ['iss is nobody', 'issuer-mismatch', () => sign({ iss: 'nobody', sub: 'nobody' })],
    ['exp is missing', 'claim-missing', () => sign({ exp: undefined })],
    ['exp is 5 min past', 'token-expired', () => sign({ exp: nowSeconds - 300 })],
    ['exp is a text', 'claim-malformed', () => sign({ exp: String(nowSeconds + 60) })],
    ['exp is too far ahead', 'token-lifetime', () => sign({ exp: nowSeconds + 3616 })],
    ['exp is in milliseconds', 'claim-malformed', () => sign({ exp: nowMs + 60_000 })],
    ['iat is 61 s ahead', 'token-premature', () => sign({ iat: nowSeconds + 61 })],
    ['nbf is 61 s ahead', 'token-premature', () => sign({ nbf: nowSeconds + 61 })],
    ['jti is missing', 'claim-missing', () => sign({ jti: undefined })],
    ['jti is empty', 'claim-malformed', () => sign({ jti: '' })],
    ['jti is a number', 'claim-malformed', () => sign({ jti: 7 })],
    ['an access token', 'type-mismatch', () => sign({}, {}, 'at+jwt')],
    ['a proof of possession', 'type-mismatch', () => sign({}, {}, 'dpop+jwt')],
    ['bound to a key', 'proof-required', () => sign({ cnf: { jkt: 'x' } })],
    ['signed by somebody else', 'signature-invalid', () => sign({}, {}, undefined, stranger)],
    ['signed with RS256', 'key-unknown', () => sign({}, {}, undefined, generateSigningKey('RS256'))],
    ['signed with the public key as a secret', 'algorithm-mismatch', confused],
    ['not signed', 'algorithm-mismatch', () => unsigned('none')],
    ['not signed, in other case', 'algorithm-mismatch', () => unsigned('nOnE')],
    ['a key of its own in the header', 'key-unknown', bringsItsKey],
    ['an extension that must be understood', 'critical-unknown', critical],
    ['no JWT at all', 'token-malformed', () => 'x'],
    ['too long', 'token-oversize', () => 'x'.repeat(20_000)],
  ]
  for (const [what, reason, assertion] of bad) {
    test(what, async () => {
      const refused = await refusal(assertion())
      assert.deepEqual([refused.error, refused.status], ['invalid_client', 400])
      assert.equal(refused.denial?.reason, reason)
    })
  }

  test('another type of assertion', async () => {
    for (const assertionType of [
      '',
      'jwt',
      `${jwtBearer} `,
      'urn:ietf:params:oauth:client-assertion-type:saml2-bearer',
      'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe',
    ]) {
      assert.equal((await refusal(sign({}), { assertionType })).error, 'invalid_client')
    }
  })
})

test('who cannot sign learns nothing; who can learns what is wrong', async () => {
  const stranger = generateSigningKey('ES256', { keyId: orders.key.keyId })
  const texts = [
    await refusal(sign({}, {}, undefined, stranger)),
    await refusal(sign({ iss: 'nobody' })),
    await refusal(sign({ aud: 'x' }, {}, undefined, stranger)),
    await refusal('x.y.z'),
  ].map(({ description }) => description)
  assert.equal(new Set(texts).size, 1)
  assert.match((await refusal(sign({ aud: tokenEndpoint }))).description, /aud must be the text https:/)
})

test('legacyAudience: the token endpoint as well, for that client alone', async () => {
  for (const audience of [issuer, tokenEndpoint]) {
    const assertion = assertionOf(legacy.key, goodClaims('legacy', audience, nowMs))
    assert.equal(await show(assertion), legacy.client)
  }
  const list = assertionOf(legacy.key, goodClaims('legacy', issuer, nowMs, { aud: [tokenEndpoint] }))
  assert.equal((await refusal(list)).denial?.reason, 'audience-mismatch')
})

describe('each assertion once', () => {
  test('also when many come at once', async () => {
    const assertion = sign({})
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => show(assertion)))
    assert.equal(outcomes.filter((outcome) => outcome === orders.client).length, 1)
  })

  test('a jti is the client’s own: another client’s equal one is another', async () => {
    const jti = randomUUID()
    assert.equal(await show(sign({ jti })), orders.client)
    assert.ok(!isRefusal(await show(assertionOf(legacy.key, goodClaims('legacy', issuer, nowMs, { jti })))))
    const again = await refusal(sign({ jti }))
    assert.match(again.description, /used before/)
    assert.equal(again.clientId, 'orders')
  })

  test('one that is refused for anything else can still be used', async () => {
    const jti = randomUUID()
    const stranger = generateSigningKey('ES256', { keyId: orders.key.keyId })
    await refusal(sign({ jti, aud: 'https://elsewhere.example' }))
    await refusal(sign({ jti, exp: nowSeconds - 300 }))
    await refusal(sign({ jti }, {}, 'at+jwt'))
    await refusal(sign({ jti }, {}, undefined, stranger))
    await refusal(sign({ jti }), { clientId: 'legacy' })
    assert.equal(await show(sign({ jti })), orders.client)
  })

  test('it is remembered for as long as it would be accepted', async () => {
    const marks: number[] = []
    const store = { putOnce: async (_scope: string, _id: string, untilMs: number) => marks.push(untilMs) > 0 }
    await authOf([orders.client], { store }).authenticate(presented(sign({ exp: nowSeconds + 60 })), nowMs)
    assert.deepEqual(marks, [(nowSeconds + 60 + 15) * 1000])
  })

  test('whatever text a jti is, the store can take it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }), async (text) => {
        const ids: string[] = []
        const store = { putOnce: async (_scope: string, id: string) => ids.push(id) > 0 }
        const presentedText = presented(sign({ jti: text }))
        const outcome = await authOf([orders.client], { store }).authenticate(presentedText, nowMs)
        // Some texts are refused as JSON already, such as half a surrogate pair.
        if (isRefusal(outcome)) assert.equal(outcome.denial?.reason, 'token-malformed')
        else assert.match(ids[0] ?? '', /^[\w-]{43}$/)
      }),
      { numRuns: 50 },
    )
  })
})

test('a store that is down decides nothing', async () => {
  const store = { putOnce: () => Promise.reject(new Problem('store-unavailable', 'gone')) }
  const down = authOf([orders.client], { store })
  await assert.rejects(down.authenticate(presented(sign({})), nowMs), { code: 'store-unavailable' })
  // What is wrong without a store is refused without one.
  assert.ok(isRefusal(await down.authenticate(presented(sign({ aud: 'x' })), nowMs)))
})

test('a client’s keys may be published; while they cannot be had, nothing is decided', async () => {
  const key = generateSigningKey('EdDSA')
  let status = 503
  const server = createServer((_request, response) => {
    response.writeHead(status, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ keys: [publicJwk(key)] }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`
  const { client } = keyedClient('remote', { keys: { kind: 'jwks', url, algorithms: ['EdDSA'] } })
  const clock = { nowMs }
  const remote = authOf([client], { clock: () => clock.nowMs })
  const assertion = assertionOf(key, goodClaims('remote', issuer, nowMs))
  await assert.rejects(remote.authenticate(presented(assertion), clock.nowMs), { code: 'keys-unavailable' })
  status = 200
  clock.nowMs += 2000
  assert.equal(await remote.authenticate(presented(assertion), clock.nowMs), client)
})

test('no client with keys, no assertion that could be right', async () => {
  const refused = await authOf([]).authenticate(presented(sign({})), nowMs)
  assert.ok(isRefusal(refused))
  assert.equal(refused.error, 'invalid_client')
})

test('the algorithms that are published are for public keys only', () => {
  assert.ok(assertionAlgorithms().includes('ES256'))
  for (const algorithm of assertionAlgorithms()) assert.doesNotMatch(algorithm, /^HS|none/i)
})

function sign(
  changes: object,
  header: Record<string, unknown> = {},
  type?: string,
  key = orders.key,
): string {
  return assertionOf(key, goodClaims('orders', issuer, nowMs, changes), header, type)
}

function authOf(clients: readonly Client[], options: Partial<AssertionAuthOptions> = {}): AssertionAuth {
  const clock = (): number => nowMs
  return createAssertionAuth({
    clients,
    issuer,
    tokenEndpoint,
    store: createMemoryStore(),
    clock,
    remoteKeys: createRemoteKeys({ clock: options.clock ?? clock, log: silentLog }),
    ...options,
  })
}

function presented(assertion: string, more: { clientId?: string; assertionType?: string } = {}) {
  return { assertion, assertionType: jwtBearer, clientId: undefined, ...more }
}

function show(assertion: string, more = {}): Promise<Client | AuthRefusal> {
  return auth.authenticate(presented(assertion, more), nowMs)
}

async function refusal(assertion: string, more = {}): Promise<AuthRefusal> {
  const outcome = await show(assertion, more)
  assert.ok(isRefusal(outcome))
  return outcome
}

/** CVE-2015-9235: the public key, which everybody has, used as the secret of an HMAC. */
function confused(): string {
  const secret = JSON.stringify(publicJwk(orders.key))
  const input = `${coded({ alg: 'HS256', kid: orders.key.keyId })}.${coded(goodClaims('orders', issuer, nowMs))}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

function unsigned(alg: string): string {
  return `${coded({ alg, kid: orders.key.keyId })}.${coded(goodClaims('orders', issuer, nowMs))}.`
}

function bringsItsKey(): string {
  const own = generateSigningKey('ES256')
  assert.notEqual(verificationKey(own).keyId, orders.key.keyId)
  return sign({}, { jwk: publicJwk(own), jku: 'https://evil.example/jwks.json' }, undefined, own)
}

function critical(): string {
  const input = `${coded({ alg: 'ES256', kid: orders.key.keyId, crit: ['x'], x: 1 })}.${coded({})}`
  return `${input}.AAAA`
}

function coded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
