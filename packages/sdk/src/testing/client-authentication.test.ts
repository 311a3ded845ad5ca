import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateSigningKey, verificationKey } from '../jwt/key-readers.ts'
import { signedAssertions } from '../client/assertion.ts'
import { createClientAuthentication } from './client-authentication.ts'
import { readForm } from '../core/form.ts'
import type { Form } from '../core/form.ts'
import { createTestIssuer } from './memory-issuer.ts'
import { readClients } from './test-client.ts'

const key = generateSigningKey('ES256')
const platform = createTestIssuer({ issuer: 'https://platform.test' })
const clock = () => 1_800_000_000_000
const issuer = 'https://issuer.test'
const clients = readClients(
  {
    orders: 'p:s',
    billing: { publicKey: verificationKey(key) },
    one: { federated: { issuer: platform, subject: 'pod' } },
    two: { federated: { issuer: platform, subject: 'pod' } },
  },
  'x',
)
const authenticate = createClientAuthentication(clients, { issuer, clock })
const assertion = signedAssertions({ key, clientId: 'billing', issuer, clock })
const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

test('a secret in the header or in the form', async () => {
  assert.equal(await known({}, `Basic ${btoa('orders:p%3As')}`), 'orders')
  assert.equal(await known({ client_id: 'orders', client_secret: 'p:s' }), 'orders')
  assert.equal(await known({ client_id: 'orders', client_secret: 'wrong' }), 'invalid_client')
})

test('who has no secret is not known by leaving it out', async () => {
  for (const client_id of ['orders', 'billing', 'one']) {
    assert.equal(await known({ client_id }), 'invalid_client')
    assert.equal(await known({}, `Basic ${btoa(`${client_id}:`)}`), 'invalid_client')
    assert.equal(await known({ client_id, client_secret: '' }), 'invalid_client')
  }
})

test('an assertion, with its client’s name or without, and nothing beside it', async () => {
  const shown = async () => ({ client_assertion_type, client_assertion: await assertion() })
  assert.equal(await known(await shown()), 'billing')
  assert.equal(await known({ ...(await shown()), client_id: 'billing' }), 'billing')
  assert.equal(await known({ ...(await shown()), client_id: 'orders' }), 'invalid_client')
  assert.equal(await known({ ...(await shown()), client_assertion_type: 'x' }), 'invalid_client')
  assert.equal(await known({ client_assertion_type }), 'invalid_request')
  assert.equal(await known({ client_assertion: await assertion() }), 'invalid_request')
})

test('two ways at once are none, even if both are right', async () => {
  const basic = `Basic ${btoa('orders:p%3As')}`
  for (const form of [
    { client_id: 'orders', client_secret: 'p:s' },
    { client_assertion_type, client_assertion: await assertion() },
    { client_assertion_type },
    { client_assertion: 'x' },
    { client_id: 'billing' },
  ] as Record<string, string>[]) {
    assert.equal(await known(form, basic), 'invalid_request', JSON.stringify(form))
  }
  const shown = { client_assertion_type, client_assertion: await assertion() }
  assert.equal(await known({ ...shown, client_id: 'orders', client_secret: 'p:s' }), 'invalid_request')
  assert.equal(await known({}, basic, basic), 'invalid_request')
  assert.equal(await known({ client_secret: 'p:s' }), 'invalid_request')
  assert.equal(await known({ client_id: 'orders', client_secret: '' }, basic), 'orders')
})

test('a header that is not base64 of id and secret is nobody’s', async () => {
  const encoded = btoa('orders:p%3As')
  assert.equal(await known({}, `basic ${encoded.replaceAll('=', '')}`), 'orders')
  for (const header of [
    `Basic ${encoded}!!`,
    `Basic ${encoded} x`,
    `Bearer ${encoded}`,
    'Basic',
    '',
    `Basic ${btoa('orders')}`,
    `Basic ${btoa('orders:%')}`,
    `Basic ${btoa('orders:\xff')}`,
  ]) {
    assert.equal(await known({}, header), 'invalid_client', header)
  }
})

test('a platform’s token that could mean several clients needs the client’s name', async () => {
  platform.advance(clock() / 1000 - platform.clock() / 1000)
  const client_assertion = platform.token({ subject: 'pod', audience: issuer, dangerouslyType: 'JWT' })
  const shown = { client_assertion_type, client_assertion }
  assert.equal(await known(shown), 'invalid_client')
  assert.equal(await known({ ...shown, client_id: 'two' }), 'two')
})

/** The client's id, or the error. */
async function known(parameters: Record<string, string>, ...headers: string[]): Promise<string> {
  const body = Buffer.from(new URLSearchParams(parameters).toString())
  const answer = await authenticate(headers, readForm('application/x-www-form-urlencoded', body) as Form)
  return 'error' in answer ? answer.error : answer.clientId
}
