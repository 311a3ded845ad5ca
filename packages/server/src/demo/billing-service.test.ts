import { after, test } from 'node:test'
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { RequestListener } from 'node:http'
import { createSigner, generateSigningKey, publicJwk } from '@countersign/sdk/jwt'
import type { Signer } from '@countersign/sdk/jwt'
import { createBillingService } from './billing-service.ts'
import { billingAudience, otherAudience } from './people.ts'

const ours = await startIssuer('ES256')
const people = await startIssuer('RS256')
const billing = createBillingService({ issuer: ours.url, provider: people.url, clock: Date.now })
const url = await listen(billing)

test('health is open; everything else wants a token', async () => {
  assert.equal((await fetch(`${url}/health`)).status, 200)
  assert.equal((await fetch(`${url}/invoices`)).status, 401)
  assert.equal((await fetch(`${url}/whoami`)).status, 401)
})

test('a reader reads and does not write; the answer says who is calling', async () => {
  const reader = { sub: 'orders', client_id: 'orders', roles: ['reader'] }
  const read = await call('GET', '/invoices', ours.token(reader))
  assert.equal(read.status, 200)
  assert.deepEqual(await read.json(), {
    invoices: [
      { id: '7', amount: 120 },
      { id: '8', amount: 80 },
    ],
    caller: { client: 'orders', user: null, roles: ['reader'] },
  })
  const one = await call('GET', '/invoices/8', ours.token(reader))
  assert.deepEqual(((await one.json()) as { invoice: unknown }).invoice, { id: '8', amount: 80 })
  assert.equal((await call('GET', '/invoices/99', ours.token(reader))).status, 404)
  assert.equal((await call('POST', '/invoices', ours.token(reader), '{"amount":1}')).status, 403)
})

test('an administrator writes', async () => {
  const token = ours.token({ sub: 'backoffice', client_id: 'backoffice', roles: ['reader', 'admin'] })
  const written = await call('POST', '/invoices', token, '{"amount":12}')
  assert.equal(written.status, 201)
  assert.deepEqual(await written.json(), {
    invoice: { id: '9', amount: 12 },
    caller: { client: 'backoffice', user: null, roles: ['admin', 'reader'] },
  })
  for (const body of ['', '{}', '[]', 'null', '{"amount":"12"}']) {
    assert.equal((await call('POST', '/invoices', token, body)).status, 400, body)
  }
})

test('a person is known by name', async () => {
  const token = people.token({ sub: 'alice', client_id: 'terminal', roles: ['admin'] })
  const response = await call('GET', '/whoami', token)
  assert.deepEqual(await response.json(), { caller: { client: 'terminal', user: 'alice', roles: ['admin'] } })
})

test('without a role the door stays shut', async () => {
  const token = people.token({ sub: 'carol', client_id: 'terminal', roles: [] })
  assert.equal((await call('GET', '/invoices', token)).status, 403)
})

test('a token for another service is refused', async () => {
  const token = people.token({ sub: 'alice', client_id: 'terminal', aud: otherAudience, roles: ['admin'] })
  const response = await call('GET', '/whoami', token)
  assert.equal(response.status, 401)
  assert.equal(await response.text(), 'invalid aud')
})

test('one issuer cannot speak for the other', async () => {
  const token = people.token({ iss: ours.url, sub: 'orders', client_id: 'orders', roles: ['admin'] })
  assert.equal((await call('GET', '/invoices', token)).status, 401)
})

function call(method: string, path: string, token: string, body: string | null = null): Promise<Response> {
  return fetch(`${url}${path}`, { method, headers: { authorization: `Bearer ${token}` }, body })
}

/** An issuer with a real key behind real metadata, on a real socket. */
async function startIssuer(algorithm: 'ES256' | 'RS256') {
  const key = generateSigningKey(algorithm)
  const signer: Signer = createSigner({ key })
  let own = ''
  own = await listen((req, res) => {
    const metadata = { issuer: own, jwks_uri: `${own}/jwks` }
    res.writeHead(200, { 'content-type': 'application/json' })
    res.end(JSON.stringify(req.url === '/jwks' ? { keys: [publicJwk(key)] } : metadata))
  })
  return {
    url: own,
    token(claims: Record<string, unknown>): string {
      const now = Math.floor(Date.now() / 1000)
      const usual = { iss: own, aud: billingAudience, iat: now, exp: now + 60, jti: 'one' }
      return signer.sign({ ...usual, ...claims })
    },
  }
}

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
