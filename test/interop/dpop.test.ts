/**
 * Tokens that are bound to a key, with other people’s clients and other people’s issuer, unchanged. Plain http, since it
 * is loopback.
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { createTokenSource } from '@countersign/sdk/client'
import { createGuard } from '@countersign/sdk/guard'
import {
  createDpopChecker,
  createDpopKey,
  createDpopNonces,
  createDpopProof,
  createSigner,
  generateSigningKey,
  jwkThumbprint,
  publicJwk,
} from '@countersign/sdk/jwt'
import { guardFetch } from '@countersign/sdk/fetch'
import { guardNode } from '@countersign/sdk/node'
import * as oauth from 'oauth4webapi'
import Provider from 'oidc-provider'

const insecure = { [oauth.allowInsecureRequests]: true } as const
const resource = 'https://billing.acme.example'
const client: oauth.Client & { readonly client_secret: string } = {
  client_id: 'orders',
  client_secret: 'a-secret-of-the-client'.padEnd(40, '*'),
}
const authentication = oauth.ClientSecretBasic(client.client_secret)

const issuer = await listen((request, response) => provider.callback()(request, response))
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: client.client_id,
      client_secret: client.client_secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [] as never[],
      // Its default needs a key for RS256.
      id_token_signed_response_alg: 'ES256',
      dpop_bound_access_tokens: true,
    },
  ],
  jwks: { keys: [providerKey()] },
  enabledJWA: { dPoPSigningAlgValues: ['ES256', 'Ed25519', 'PS256'] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        scope: 'invoices:read',
        audience: resource,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 300,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
})

const nonces = createDpopNonces()
const service = await listen((request, response) => guarded(request, response))
const guard = createGuard({
  issuer,
  audience: resource,
  algorithms: ['ES256'],
  senderConstraint: 'required',
  publicUrl: service,
  proofs: { nonces },
})
const guarded = guardNode(guard, { scopes: 'invoices:read' }, (request, response, auth) =>
  response.end(`${request.method} ${auth.clientId}`),
)

test('our client, oidc-provider with nonces, our guard with nonces', async () => {
  const source = createTokenSource({
    issuer,
    clientId: client.client_id,
    clientSecret: client.client_secret,
    resource,
    scopes: ['invoices:read'],
    dpop: true,
  })
  for (const method of ['GET', 'POST', 'DELETE']) {
    const response = await source.fetch(`${service}/invoices/7?page=2`, { method })
    assert.equal(response.status, 200, response.headers.get('www-authenticate') ?? '')
    assert.equal(await response.text(), `${method} orders`)
  }
  const { secret } = await source.token()
  const stolen = { Authorization: `Bearer ${secret.revealText()}` }
  assert.equal((await fetch(`${service}/invoices/7`, { headers: stolen })).status, 401)
})

for (const algorithm of ['ES256', 'Ed25519', 'PS256'] as const) {
  test(`oauth4webapi as the client, oidc-provider, our guard: ${algorithm}`, async () => {
    const { handle, token } = await tokenByOauth4webapi(algorithm)
    const ask = () =>
      oauth.protectedResourceRequest(
        token,
        'GET',
        new URL(`${service}/invoices/7?page=2`),
        new Headers(),
        null,
        { DPoP: handle, ...insecure },
      )
    await assert.rejects(ask(), (error) => oauth.isDPoPNonceError(error), 'it understands our challenge')
    const response = await ask()
    assert.equal(await response.text(), 'GET orders')
  })
}

test('oauth4webapi as the client, our guard behind the fetch standard', async () => {
  const { handle, token } = await tokenByOauth4webapi('ES256')
  const publicUrl = 'https://billing.acme.example/api'
  const own = createGuard({
    issuer,
    audience: resource,
    algorithms: ['ES256'],
    senderConstraint: 'accepted',
    publicUrl,
  })
  const answer = guardFetch(own, 'authenticated', (_request, auth) => new Response(auth.clientId))
  // A proxy that takes the prefix off: inside, the URL is another one.
  const through = async (url: string, options: { method: string; headers: Record<string, string> }) =>
    answer(new Request(url.replace(publicUrl, 'http://10.0.0.7:8080'), options))
  const response = await oauth.protectedResourceRequest(
    token,
    'GET',
    new URL(`${publicUrl}/invoices/7`),
    new Headers(),
    null,
    { DPoP: handle, [oauth.customFetch]: through },
  )
  assert.equal(await response.text(), client.client_id)
})

test('oauth4webapi at a token endpoint that asks our checker', async () => {
  const checker = createDpopChecker({ nonces })
  const url = await listen(async (request, response) => {
    request.resume()
    const { rawHeaders, method = '' } = request
    const result = await checker.check({ rawHeaders, method, url: `${url}/token`, nowMs: Date.now() })
    response.setHeader('Content-Type', 'application/json')
    if (result.kind === 'denied') {
      assert.equal(result.denial.reason, 'nonce-required')
      response.setHeader('DPoP-Nonce', checker.currentNonce(Date.now())!)
      response.writeHead(400).end(JSON.stringify({ error: 'use_dpop_nonce' }))
      return
    }
    const { thumbprint } = result.proof
    response.end(JSON.stringify({ access_token: thumbprint, token_type: 'DPoP', expires_in: 60 }))
  })
  const as = { issuer: url, token_endpoint: `${url}/token` }
  const keyPair = await oauth.generateKeyPair('ES256')
  const handle = oauth.DPoP(client, keyPair)
  const result = await grantWithRetry(as, handle)
  assert.equal(result.token_type, 'dpop')
  assert.equal(result.access_token, await handle.calculateThumbprint())
})

test('oauth4webapi as the resource server takes our proofs, and refuses what is wrong with them', async () => {
  const key = generateSigningKey('ES256')
  const own = await listen((_request, response) => {
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify({ keys: [publicJwk(key)] }))
  })
  const as = { issuer: own, jwks_uri: `${own}/jwks` }
  const nowSeconds = Math.floor(Date.now() / 1000)
  const dpopKey = createDpopKey()
  const accessToken = createSigner({ key }).sign({
    iss: own,
    aud: resource,
    sub: 'orders',
    client_id: 'orders',
    jti: 'j1',
    iat: nowSeconds,
    exp: nowSeconds + 60,
    cnf: { jkt: dpopKey.thumbprint },
  })
  const url = `${resource}/invoices/7`
  const validate = (proof: string) => {
    const headers = { Authorization: `DPoP ${accessToken}`, DPoP: proof }
    return oauth.validateJwtAccessToken(as, new Request(`${url}?page=2`, { headers }), resource, {
      requireDPoP: true,
      ...insecure,
    })
  }
  const claims = await validate(createDpopProof({ key: dpopKey, method: 'GET', url, accessToken }))
  assert.equal(claims.sub, 'orders')
  await assert.rejects(validate(createDpopProof({ key: dpopKey, method: 'POST', url, accessToken })))
  await assert.rejects(validate(createDpopProof({ key: createDpopKey(), method: 'GET', url, accessToken })))
})

async function tokenByOauth4webapi(algorithm: string) {
  const as = await oauth.processDiscoveryResponse(
    new URL(issuer),
    await oauth.discoveryRequest(new URL(issuer), insecure),
  )
  const handle = oauth.DPoP(client, await oauth.generateKeyPair(algorithm))
  const { access_token: token } = await grantWithRetry(as, handle)
  return { handle, token }
}

async function grantWithRetry(as: oauth.AuthorizationServer, handle: oauth.DPoPHandle) {
  const parameters = { resource, scope: 'invoices:read' }
  const grant = async () =>
    oauth.processClientCredentialsResponse(
      as,
      client,
      await oauth.clientCredentialsGrantRequest(as, client, authentication, parameters, {
        DPoP: handle,
        ...insecure,
      }),
    )
  await assert.rejects(grant(), (error) => oauth.isDPoPNonceError(error))
  return grant()
}

/** The private half as oidc-provider wants it. */
function providerKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = privateKey.export({ format: 'jwk' }) as {
    kty: 'EC'
    crv: 'P-256'
    x: string
    y: string
    d: string
  }
  return { ...jwk, kid: jwkThumbprint(jwk), alg: 'ES256' as const, use: 'sig' as const }
}

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
