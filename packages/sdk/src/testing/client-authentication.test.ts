import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateSigningKey, verificationKey } from '../jwt/key-readers.ts'
import { signedAssertions } from '../client/assertion.ts'
import { createClientAuthentication } from './client-authentication.ts'
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
  assert.equal(await known({ client_id: 'orders', client_secret: 'wrong' }), undefined)
})

test('who has no secret is not known by leaving it out', async () => {
  for (const client_id of ['orders', 'billing', 'one']) {
    assert.equal(await known({ client_id }), undefined)
    assert.equal(await known({}, `Basic ${btoa(`${client_id}:`)}`), undefined)
    assert.equal(await known({ client_id, client_secret: '' }), undefined)
  }
})

test('an assertion, with its client’s name or without, and nothing beside it', async () => {
  const shown = async () => ({ client_assertion_type, client_assertion: await assertion() })
  assert.equal(await known(await shown()), 'billing')
  assert.equal(await known({ ...(await shown()), client_id: 'billing' }), 'billing')
  assert.equal(await known({ ...(await shown()), client_id: 'orders' }), undefined)
  assert.equal(await known({ ...(await shown()), client_secret: 'p:s' }), undefined)
  assert.equal(await known(await shown(), `Basic ${btoa('orders:p%3As')}`), undefined)
  assert.equal(await known({ ...(await shown()), client_assertion_type: 'x' }), undefined)
})

test('a platform’s token that could mean several clients needs the client’s name', async () => {
  platform.advance(clock() / 1000 - platform.clock() / 1000)
  const client_assertion = platform.token({ subject: 'pod', audience: issuer, dangerouslyType: 'JWT' })
  const shown = { client_assertion_type, client_assertion }
  assert.equal(await known(shown), undefined)
  assert.equal(await known({ ...shown, client_id: 'two' }), 'two')
})

function known(form: Record<string, string>, header?: string): Promise<string | undefined> {
  return authenticate(header, new URLSearchParams(form))
}
