/** Somebody else’s issuer, unchanged, with our token source. Plain http, since it is loopback. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { createTokenSource } from '@countersign/sdk/client'
import type { TokenSourceEvent, TokenSourceOptions } from '@countersign/sdk/client'
import { generateSigningKey, publicJwk } from '@countersign/sdk/jwt'
import Provider from 'oidc-provider'

// Characters that only arrive when the id and the secret are form-encoded before base64 (RFC 6749 §2.3.1).
const clientId = 'orders:eu 1'
const clientSecret = 'a%2Fb+c&d=e/~'.padEnd(40, '*')

let listener: RequestListener = (_request, response) => void response.writeHead(503).end()
const server = createServer((request, response) => listener(request, response))
server.listen(0, '127.0.0.1')
await once(server, 'listening')
after(() => {
  server.close()
  server.closeAllConnections()
})
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const client = {
  client_secret: clientSecret,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [] as never[],
}
const algorithms = ['ES256', 'PS256', 'Ed25519'] as const
const keys = new Map(algorithms.map((algorithm) => [algorithm, generateSigningKey(algorithm)]))
const provider = new Provider(issuer, {
  clients: [
    { ...client, client_id: clientId },
    { ...client, client_id: 'by-form', token_endpoint_auth_method: 'client_secret_post' },
    ...[...keys].map(([algorithm, key]) => ({
      ...client,
      client_id: `by-${algorithm}`,
      token_endpoint_auth_method: 'private_key_jwt' as const,
      jwks: { keys: [publicJwk(key)] },
    })),
  ],
  enabledJWA: { clientAuthSigningAlgValues: [...algorithms] },
  scopes: ['invoices:read'],
  ttl: { ClientCredentials: 300 },
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
})
listener = provider.callback()

test('a token by discovery and the Authorization header', async () => {
  const token = await source({ scopes: ['invoices:read'] }).token()
  assert.ok(token.secret.byteLength > 20)
  assert.deepEqual(token.scopes, ['invoices:read'])
  assert.ok(token.expiresAtMs > Date.now())
})

test('a token with the secret in the form', async () => {
  const token = await source({ clientId: 'by-form', authentication: 'client_secret_post' }).token()
  assert.ok(token.secret.byteLength > 20)
})

test('a wrong secret', async () => {
  await assert.rejects(source({ clientSecret: 'wrong' }).token(), {
    code: 'token-refused',
    message: /invalid_client/,
  })
})

for (const [algorithm, privateKey] of keys) {
  test(`no secret but a private key, ${algorithm}`, async () => {
    const keyed = { clientId: `by-${algorithm}`, privateKey }
    for (const options of [
      { ...keyed, issuer },
      { ...keyed, issuer, tokenEndpoint: `${issuer}/token` },
    ]) {
      const token = await createTokenSource(options).token()
      assert.ok(token.secret.byteLength > 20)
    }
    const other = createTokenSource({ ...keyed, issuer, privateKey: generateSigningKey(algorithm) })
    await assert.rejects(other.token(), { code: 'token-refused', message: /invalid_client/ })
    const misled = { ...keyed, issuer: 'https://other.example', tokenEndpoint: `${issuer}/token` }
    await assert.rejects(createTokenSource(misled).token(), { code: 'token-refused' })
  })
}

test('fewer scopes than asked for are told', async () => {
  const token = await source({ scopes: ['invoices:read', 'invoices:write'] }).token()
  assert.deepEqual(token.scopes, ['invoices:read'])
})

test('an outage: the token at hand serves, Retry-After is obeyed, and it comes back by itself', async () => {
  let now = Date.now()
  let asked = 0
  let failed = 0
  const onEvent = ({ kind }: TokenSourceEvent): void => void (kind === 'failed' && failed++)
  const tokens = source({ clock: () => now, random: () => 0, onEvent })
  const first = await tokens.token()
  listener = (_request, response) => {
    asked++
    response.writeHead(429, { 'Retry-After': '30' }).end()
  }
  now += 270_000
  assert.equal(await tokens.token(), first)
  // The answer itself, not the question: Retry-After counts from when it comes.
  await until(() => failed === 1)
  assert.equal(await tokens.token(), first)
  now += 25_000
  await assert.rejects(tokens.token(), { code: 'token-unavailable' })
  assert.equal(asked, 1, 'it asked to be left alone for 30 s')
  listener = provider.callback()
  now += 10_000
  assert.notEqual(await tokens.token(), first)
})

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 60_000
  while (!condition()) {
    assert.ok(Date.now() < end, 'it did not happen')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function source(options: Partial<TokenSourceOptions>) {
  return createTokenSource({ issuer, clientId, clientSecret, ...options })
}
