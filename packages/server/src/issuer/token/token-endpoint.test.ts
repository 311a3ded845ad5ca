import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Problem } from '@countersign/sdk/core'
import { createSigner, generateSigningKey } from '@countersign/sdk/jwt'
import { silentLog } from '../../log.ts'
import type { AssertionAuth } from '../clients/client-assertion.ts'
import { createClientAuth } from '../clients/client-auth.ts'
import { createFailureLimit } from '../clients/failure-limit.ts'
import { createClientCredentials } from '../grants/client-credentials.ts'
import { basic, ordersSecret, shopSecret, trust } from '../../../../../test/issuer/fixture.ts'
import { createTokenEndpoint, refusalReply } from './token-endpoint.ts'
import type { TokenRequest } from './token-endpoint.ts'
import { refuse } from '../http/refusal.ts'
import type { Reply } from '../http/reply.ts'

const { clients, services } = trust()
const rules = {
  clientAuth: createClientAuth(clients.values(), createFailureLimit({ burst: 1e9 })),
  clientCredentials: createClientCredentials(clients.values(), services),
  tokenExchange: async () => refuse('unauthorized_client', 'nobody'),
  jwtBearer: async () => refuse('unauthorized_client', 'nobody'),
  transactions: async () => refuse('unauthorized_client', 'nobody'),
}
const unbound = () => ({ claim: undefined, nextNonce: undefined })
const key = generateSigningKey('ES256')
const signer = createSigner({ key })
const answer = endpoint(() => signer)
const asOrders = basic('orders', ordersSecret).Authorization
const asShop = basic('shop', shopSecret).Authorization

test('every error of RFC 6749 §5.2 and RFC 8707 §2 where it belongs', () => {
  const cases: [string, string | undefined, string, number, string][] = [
    ['no client', undefined, 'grant_type=client_credentials', 401, 'invalid_client'],
    [
      'wrong secret',
      basic('orders', 'x').Authorization,
      'grant_type=client_credentials',
      401,
      'invalid_client',
    ],
    ['no grant type', asOrders, 'scope=invoices:write', 400, 'invalid_request'],
    ['empty grant type', asOrders, 'grant_type=', 400, 'invalid_request'],
    ['grant type twice', asOrders, 'grant_type=client_credentials&grant_type=x', 400, 'invalid_request'],
    ['unknown grant type', asOrders, 'grant_type=password', 400, 'unsupported_grant_type'],
    ['grant type by prefix', asOrders, 'grant_type=client_credentials2', 400, 'unsupported_grant_type'],
    ['unknown service', asOrders, 'grant_type=client_credentials&audience=x', 400, 'invalid_target'],
    ['forbidden service', asOrders, 'grant_type=client_credentials&audience=stock', 400, 'invalid_target'],
    ['no service named', asShop, 'grant_type=client_credentials', 400, 'invalid_target'],
    ['forbidden scope', asOrders, 'grant_type=client_credentials&scope=all', 400, 'invalid_scope'],
  ]
  for (const [name, authorization, body, status, error] of cases) {
    const reply = answer(request(body, authorization))
    const json = JSON.parse(reply.body)
    assert.deepEqual([reply.status, json.error], [status, error], name)
    assert.deepEqual(Object.keys(json), ['error', 'error_description'], name)
    assert.equal(header(reply, 'Cache-Control'), 'no-store', name)
    assert.equal(header(reply, 'Content-Type'), 'application/json', name)
    assert.equal(header(reply, 'WWW-Authenticate') !== undefined, status === 401, name)
  }
})

test('a client that shows an assertion is answered later, and a store that is down is no refusal', async () => {
  const fields = 'grant_type=client_credentials&client_assertion=a.b.c&client_assertion_type=t'
  const asked = (authenticate: AssertionAuth['authenticate']): Promise<Reply> | Reply =>
    createTokenEndpoint({
      rules: () => ({
        ...rules,
        clientAuth: createClientAuth([], createFailureLimit(), { authenticate }),
      }),
      ring: { signerAt: () => signer, signingKeyAt: () => key },
      issuer: 'https://issuer.example',
      lifetimeSeconds: 300,
      bind: unbound,
      log: silentLog,
    })(request(fields))
  assert.equal((await asked(async () => clients.get('orders')!)).status, 200)
  assert.equal((await asked(async () => refuse('invalid_client', 'x'))).status, 400)
  const down = await asked(() => Promise.reject(new Problem('store-unavailable', 'gone')))
  assert.deepEqual([down.status, header(down, 'Retry-After')], [503, '5'])
  assert.equal(JSON.parse(down.body).error, 'temporarily_unavailable')
  const broken = await asked(() => Promise.reject(new Error('a.b.c')))
  assert.equal(broken.status, 500)
  assert.doesNotMatch(broken.body, /a\.b\.c/)
})

test('unknown parameters are ignored', () => {
  assert.equal(answer(request('grant_type=client_credentials&colour=red&nonce=1', asOrders)).status, 200)
})

test('nothing is said about grants before the client is known', () => {
  for (const body of ['grant_type=password', 'audience=stock', 'scope=all']) {
    assert.equal(JSON.parse(answer(request(body)).body).error, 'invalid_client')
  }
})

test('scope is always in the answer, unless there is none', () => {
  const orders = JSON.parse(answer(request('grant_type=client_credentials', asOrders)).body)
  assert.equal(orders.scope, 'invoices:write')
  const shop = JSON.parse(answer(request('grant_type=client_credentials&audience=stock', asShop)).body)
  assert.equal('scope' in shop, false)
})

test('a Problem is 503 with the time to wait, anything else 500; neither says why to the caller', () => {
  const logged: string[] = []
  const failing = (error: Error): Reply =>
    endpoint(
      () => {
        throw error
      },
      { ...silentLog, error: (event, fields) => logged.push(`${event} ${JSON.stringify(fields)}`) },
    )(request('grant_type=client_credentials', asOrders))

  const unavailable = failing(new Problem('ring-stale', 'the inner reason', { retryAfterSeconds: 30 }))
  assert.deepEqual([unavailable.status, header(unavailable, 'Retry-After')], [503, '30'])
  assert.equal(JSON.parse(unavailable.body).error, 'temporarily_unavailable')
  const broken = failing(new TypeError('the inner reason'))
  assert.equal(broken.status, 500)
  assert.equal(JSON.parse(broken.body).error, 'server_error')
  for (const { body } of [unavailable, broken]) assert.doesNotMatch(body, /inner/)
  assert.ok(logged.length === 2 && logged.every((line) => line.includes('inner reason')))
})

test('what was not read to its end closes the connection', () => {
  assert.equal(header(refusalReply(refuse('invalid_request', 'x', { status: 413 })), 'Connection'), 'close')
  assert.equal(header(refusalReply(refuse('invalid_request', 'x')), 'Connection'), undefined)
})

test('any bytes at all get an answer that a client can read', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.option(fc.string(), { nil: undefined }),
      fc.boolean(),
      (bytes, authorization, asForm) => {
        const reply = answer({
          ...request('', authorization),
          body: Buffer.from(bytes),
          contentType: asForm ? 'application/x-www-form-urlencoded' : authorization,
        })
        assert.ok(reply.status === 400 || reply.status === 401, String(reply.status))
        const { error, error_description: description } = JSON.parse(reply.body)
        assert.match(error, /^invalid_(request|client)$/)
        assert.match(description, /^[ !#-[\]-~]+$/)
      },
    ),
  )
})

function endpoint(signerAt: () => typeof signer, log = silentLog): (request: TokenRequest) => Reply {
  const asked = createTokenEndpoint({
    rules: () => rules,
    ring: { signerAt, signingKeyAt: () => key },
    issuer: 'https://issuer.example',
    lifetimeSeconds: 300,
    bind: unbound,
    log,
  })
  return (token) => {
    const reply = asked(token)
    assert.ok(!(reply instanceof Promise), 'a client with a secret waits for nothing')
    return reply
  }
}

function request(body: string, authorization?: string): TokenRequest {
  return {
    contentType: 'application/x-www-form-urlencoded',
    authorization: authorization === undefined ? [] : [authorization],
    body: Buffer.from(body),
    address: '192.0.2.1',
    nowMs: 1_800_000_000_000,
  }
}

function header({ headers }: Reply, name: string): string | undefined {
  const index = headers.indexOf(name)
  return index === -1 ? undefined : headers[index + 1]
}
