/** OAuth clients with private_key_jwt, other people's and our own, unchanged, against a running issuer. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, describe, test } from 'node:test'
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { createTokenSource } from '@countersign/sdk/client'
import { readJwk } from '@countersign/sdk/jwt'
import type { Client } from '../../packages/server/src/trust/trust.ts'
import { keyedClient } from '../issuer/assertion.ts'
import { orders, startIssuer, trust } from '../issuer/fixture.ts'

const audience = 'https://billing.acme.example'
const insecure = { [oauth.allowInsecureRequests]: true } as const
const algorithms = ['ES256', 'PS256', 'RS256', 'Ed25519'] as const
const pairs = new Map<string, jose.GenerateKeyPairResult>()
for (const algorithm of algorithms) {
  pairs.set(algorithm, await jose.generateKeyPair(algorithm, { extractable: true }))
}
const clients: Client[] = []
for (const [algorithm, { publicKey }] of pairs) {
  const jwk = { ...(await jose.exportJWK(publicKey)), kid: `key-${algorithm}`, alg: algorithm }
  const keys = { kind: 'keys', keys: [readJwk(jwk)] } as const
  const assertion = { kind: 'own', keys, legacyAudience: false } as const
  clients.push({ ...orders, id: `orders-${algorithm}`, secrets: [], assertion })
}
// Other people's assertions are of the real time, and good for a few seconds of difference alone.
const clock = (): number => Date.now()
const fixture = await startIssuer({ trust: trust(clients), clock })
after(() => fixture.close())

for (const algorithm of algorithms) {
  test(`oauth4webapi, ${algorithm}`, async () => {
    const as = await discover()
    assert.ok(as.token_endpoint_auth_methods_supported?.includes('private_key_jwt'))
    assert.ok(as.token_endpoint_auth_signing_alg_values_supported?.includes(algorithm))
    const client = { client_id: `orders-${algorithm}` }
    const key = { key: pairs.get(algorithm)!.privateKey, kid: `key-${algorithm}` }
    const response = await oauth.clientCredentialsGrantRequest(
      as,
      client,
      oauth.PrivateKeyJwt(key),
      { audience },
      insecure,
    )
    const result = await oauth.processClientCredentialsResponse(as, client, response)
    assert.equal(jose.decodeJwt(result.access_token)['client_id'], client.client_id)
  })

  test(`openid-client, ${algorithm}`, async () => {
    const key = { key: pairs.get(algorithm)!.privateKey, kid: `key-${algorithm}` }
    const config = await openid.discovery(
      new URL(fixture.url),
      `orders-${algorithm}`,
      undefined,
      openid.PrivateKeyJwt(key),
      { execute: [openid.allowInsecureRequests] },
    )
    for (let round = 0; round < 2; round++) {
      const tokens = await openid.clientCredentialsGrant(config, { audience })
      assert.equal(tokens.expires_in, 300)
    }
  })
}

test('our own token source, by private key', async () => {
  const { client, key } = keyedClient('orders')
  const keyed = await startIssuer({ trust: trust([client]), clock })
  for (let round = 0; round < 2; round++) {
    const source = createTokenSource({ issuer: keyed.url, clientId: 'orders', privateKey: key, audience })
    const { secret } = await source.token()
    assert.equal(jose.decodeJwt(secret.revealText()).sub, 'orders')
  }
  await keyed.close()
})

test('a key set that jose makes is read from its URL', async () => {
  const { publicKey, privateKey } = await jose.generateKeyPair('ES384', { extractable: true })
  const jwk = { ...(await jose.exportJWK(publicKey)), kid: 'published', use: 'sig', alg: 'ES384' }
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ keys: [jwk] }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`
  const client: Client = {
    ...orders,
    secrets: [],
    assertion: { kind: 'own', keys: { kind: 'jwks', url, algorithms: ['ES384'] }, legacyAudience: false },
  }
  const remote = await startIssuer({ trust: trust([client]), clock })
  const assertion = await new jose.SignJWT({})
    .setProtectedHeader({ alg: 'ES384', kid: 'published' })
    .setIssuer('orders')
    .setSubject('orders')
    .setAudience(remote.url)
    .setJti('1')
    .setExpirationTime('1m')
    .sign(privateKey)
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  })
  assert.equal((await remote.ask(form.toString())).status, 200)
  const again = await remote.ask(form.toString())
  assert.deepEqual([again.status, again.json['error']], [400, 'invalid_client'])
  await remote.close()
  server.close()
})

describe('a library that writes the token endpoint as audience', () => {
  const ask = async (legacyAudience: boolean): Promise<unknown> => {
    const [client] = clients
    const assertion = { ...client!.assertion!, legacyAudience } as const
    const issuer = await startIssuer({ trust: trust([{ ...client!, assertion }]), clock })
    const as = await discover(issuer.url)
    const key = { key: pairs.get('ES256')!.privateKey, kid: 'key-ES256' }
    const authenticate = oauth.PrivateKeyJwt(key, {
      [oauth.modifyAssertion](_header, payload) {
        payload['aud'] = as.token_endpoint!
      },
    })
    const shown = { client_id: 'orders-ES256' }
    const response = await oauth.clientCredentialsGrantRequest(as, shown, authenticate, {}, insecure)
    const outcome = await oauth.processClientCredentialsResponse(as, shown, response).catch((error) => error)
    await issuer.close()
    return outcome
  }
  test('is refused, and told why', async () => {
    const refused = await ask(false)
    assert.ok(refused instanceof oauth.ResponseBodyError)
    assert.equal(refused.error, 'invalid_client')
    assert.match(refused.error_description ?? '', /aud must be the text/)
  })
  test('is served with legacyAudience', async () => {
    assert.ok(!((await ask(true)) instanceof Error))
  })
})

async function discover(at = fixture.url): Promise<oauth.AuthorizationServer> {
  const url = new URL(at)
  const response = await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure })
  return oauth.processDiscoveryResponse(url, response)
}
