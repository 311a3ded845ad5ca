/** Other people's OAuth and JWT libraries, unchanged, against a running issuer. Plain http, since it is loopback. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import * as jose from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { rotationTiming } from '../../packages/server/src/issuer/keys/rotation-timing.ts'
import { chainTrust, secretOf } from '../issuer/exchange.ts'
import { ordersSecret, settings, shopSecret, startIssuer } from '../issuer/fixture.ts'
import type { Fixture } from '../issuer/fixture.ts'

const audience = 'https://billing.acme.example'
const insecure = { [oauth.allowInsecureRequests]: true } as const
const fixture = await startIssuer()
after(() => fixture.close())

for (const algorithm of ['oauth2', 'oidc'] as const) {
  test(`oauth4webapi discovers by ${algorithm}, gets tokens both ways, and accepts them at a resource`, async () => {
    const as = await discover(fixture, algorithm)
    for (const authenticate of [
      oauth.ClientSecretBasic(ordersSecret),
      oauth.ClientSecretPost(ordersSecret),
    ]) {
      const client = { client_id: 'orders' }
      const response = await oauth.clientCredentialsGrantRequest(
        as,
        client,
        authenticate,
        { audience },
        insecure,
      )
      const result = await oauth.processClientCredentialsResponse(as, client, response)
      assert.equal(result.token_type, 'bearer')
      assert.equal(result.expires_in, 300)
      assert.equal(result.scope, 'invoices:write')
      const claims = await oauth.validateJwtAccessToken(
        as,
        presented(result.access_token),
        audience,
        insecure,
      )
      assert.equal(claims.sub, 'orders')
      assert.equal(claims.client_id, 'orders')
      await assert.rejects(
        oauth.validateJwtAccessToken(
          as,
          presented(result.access_token),
          'https://stock.acme.example',
          insecure,
        ),
      )
    }
  })
}

test('oauth4webapi finds an issuer that has a path', async () => {
  const tenant = await startIssuer({ at: '/tenant/one' })
  for (const algorithm of ['oauth2', 'oidc'] as const) {
    const as = await discover(tenant, algorithm)
    assert.equal(as.token_endpoint, `${tenant.url}/token`)
  }
  await tenant.close()
})

test('oauth4webapi reads our refusals: the challenge, the code and the description', async () => {
  const as = await discover(fixture, 'oauth2')
  const client = { client_id: 'orders' }
  const ask = async (secret: string, parameters: Record<string, string>): Promise<unknown> => {
    const authenticate = oauth.ClientSecretBasic(secret)
    const response = await oauth.clientCredentialsGrantRequest(as, client, authenticate, parameters, insecure)
    return oauth.processClientCredentialsResponse(as, client, response).then(
      () => undefined,
      (error: unknown) => error,
    )
  }
  const challenged = await ask('wrong', {})
  assert.ok(challenged instanceof oauth.WWWAuthenticateChallengeError)
  assert.equal(challenged.cause[0]?.scheme, 'basic')

  const refused = await ask(ordersSecret, { scope: 'everything' })
  assert.ok(refused instanceof oauth.ResponseBodyError)
  assert.equal(refused.error, 'invalid_scope')
  assert.match(refused.error_description ?? '', /everything/)
})

test('openid-client goes from the issuer’s URL to a token', async () => {
  for (const authenticate of [openid.ClientSecretBasic(shopSecret), openid.ClientSecretPost(shopSecret)]) {
    const config = await openid.discovery(new URL(fixture.url), 'shop', undefined, authenticate, {
      execute: [openid.allowInsecureRequests],
    })
    const tokens = await openid.clientCredentialsGrant(config, { resource: audience })
    assert.equal(jose.decodeJwt(tokens.access_token).aud, audience)
    assert.equal(tokens.expires_in, 300)
  }
})

test('openid-client and oauth4webapi exchange a token', async () => {
  const exchanging = await startIssuer({ trust: chainTrust() })
  const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'
  const accessToken = 'urn:ietf:params:oauth:token-type:access_token'
  const connect = (id: string): Promise<openid.Configuration> =>
    openid.discovery(new URL(exchanging.url), id, undefined, openid.ClientSecretBasic(secretOf(id)), {
      execute: [openid.allowInsecureRequests],
    })
  const front = await openid.clientCredentialsGrant(await connect('front'), { audience: 'billing' })
  const parameters = {
    subject_token: front.access_token,
    subject_token_type: accessToken,
    audience: 'https://stock.acme.example',
  }
  const exchanged = await openid.genericGrantRequest(await connect('billing-api'), grantType, parameters)
  assert.equal(exchanged['issued_token_type'], accessToken)
  const claims = jose.decodeJwt(exchanged.access_token)
  assert.deepEqual([claims.sub, claims['client_id']], ['front', 'billing-api'])

  const as = await discover(exchanging, 'oauth2')
  const client = { client_id: 'billing-api' }
  const authenticate = oauth.ClientSecretPost(secretOf('billing-api'))
  const response = await oauth.genericTokenEndpointRequest(
    as,
    client,
    authenticate,
    grantType,
    parameters,
    insecure,
  )
  const result = await oauth.processGenericTokenEndpointResponse(as, client, response)
  const audience = 'https://stock.acme.example'
  await oauth.validateJwtAccessToken(as, presented(result.access_token), audience, insecure)
  await exchanging.close()
})

test('jsonwebtoken verifies with the published key', async () => {
  const rsa = await startIssuer({
    settings: settings('https://issuer.example', {
      keys: { algorithm: 'RS256', rotateEverySeconds: 36_000, seal: undefined, dangerouslyUnsealed: false },
    }),
  })
  const token = await takeToken(rsa)
  const { json } = await rsa.send('GET', '/.well-known/jwks.json')
  const [jwk] = (json as { keys: jose.JWK[] }).keys
  const pem = await jose.exportSPKI((await jose.importJWK(jwk!)) as jose.CryptoKey)
  const claims = jsonwebtoken.verify(token, pem, {
    algorithms: ['RS256'],
    audience,
    issuer: 'https://issuer.example',
  })
  assert.equal(claims.sub, 'orders')
  await rsa.close()
})

test('jose with a cached key set goes through a rotation without one failed token or extra fetch', async () => {
  const rotating = await startIssuer()
  const jwks = rotating.url + '/.well-known/jwks.json'
  let fetches = 0
  const keySet = jose.createRemoteJWKSet(new URL(jwks), {
    // As long as our header says; the moment is ours to move, so only fetches are counted.
    cacheMaxAge: Infinity,
    [jose.customFetch]: (...request: Parameters<typeof fetch>) => (fetches++, fetch(...request)),
  })
  const verify = (token: string): Promise<jose.JWTVerifyResult> =>
    jose.jwtVerify(token, keySet, {
      issuer: rotating.url,
      audience,
      typ: 'at+jwt',
      algorithms: ['ES256'],
      requiredClaims: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
      currentDate: new Date(rotating.clock.nowMs),
    })

  const timing = rotationTiming({ rotateEverySeconds: 36_000, tokenLifetimeSeconds: 300 })
  await rotating.issuer.keyRing.rotate()
  const before = await takeToken(rotating)
  await verify(before)
  // The copy of the key set that was fetched the moment the new key appeared is good for the whole takeover.
  const takeover = rotating.clock.nowMs + 1000 * timing.leadSeconds
  rotating.clock.nowMs = takeover - 1000
  await rotating.issuer.keyRing.refresh()
  const last = await takeToken(rotating)
  rotating.clock.nowMs = takeover
  const first = await takeToken(rotating)
  assert.equal(jose.decodeProtectedHeader(last).kid, jose.decodeProtectedHeader(before).kid)
  assert.notEqual(jose.decodeProtectedHeader(first).kid, jose.decodeProtectedHeader(last).kid)
  await verify(last)
  await verify(first)
  assert.equal(fetches, 1)
  await rotating.close()
})

test('oauth4webapi accepts tokens of both keys after a rotation', async () => {
  const rotating = await startIssuer()
  const started = rotating.clock.nowMs
  const as = await discover(rotating, 'oauth2')
  await rotating.issuer.keyRing.rotate()
  rotating.clock.nowMs +=
    1000 * (rotationTiming({ rotateEverySeconds: 36_000, tokenLifetimeSeconds: 300 }).leadSeconds - 1)
  await rotating.issuer.keyRing.refresh()
  const old = await takeToken(rotating)
  rotating.clock.nowMs += 2000
  const fresh = await takeToken(rotating)
  const skew = { ...insecure, [oauth.clockSkew]: Math.floor((rotating.clock.nowMs - started) / 1000) }
  for (const token of [old, fresh]) await oauth.validateJwtAccessToken(as, presented(token), audience, skew)
  await rotating.close()
})

test('jose learns of a removed key with its next fetch', async () => {
  const removing = await startIssuer()
  const token = await takeToken(removing)
  const keys = (): ReturnType<typeof jose.createRemoteJWKSet> =>
    jose.createRemoteJWKSet(new URL(`${removing.url}/.well-known/jwks.json`))
  await jose.jwtVerify(token, keys())
  await removing.issuer.keyRing.remove(jose.decodeProtectedHeader(token).kid!)
  await assert.rejects(jose.jwtVerify(token, keys()), jose.errors.JWKSNoMatchingKey)
  await jose.jwtVerify(await takeToken(removing), keys())
  await removing.close()
})

async function discover(at: Fixture, algorithm: 'oauth2' | 'oidc'): Promise<oauth.AuthorizationServer> {
  const url = new URL(at.url)
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm, ...insecure }))
}

function presented(token: string): Request {
  return new Request('https://billing.acme.example/invoices', {
    headers: { Authorization: `Bearer ${token}` },
  })
}

async function takeToken(from: Fixture): Promise<string> {
  const { json } = await from.ask(
    `grant_type=client_credentials&client_id=orders&client_secret=${ordersSecret}`,
  )
  return String(json['access_token'])
}
