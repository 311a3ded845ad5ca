/** Introspection (RFC 7662), revocation (RFC 7009) and the signed list, by other people's libraries. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { createSigner, generateSigningKey } from '@countersign/sdk/jwt'
import { caller, chainTrust, secretOf } from '../issuer/exchange.ts'
import { startIssuer } from '../issuer/fixture.ts'

const audience = 'https://billing.acme.example'
const insecure = { [oauth.allowInsecureRequests]: true } as const
const fixture = await startIssuer({
  trust: chainTrust({
    clients: [
      caller('front', [{ service: 'billing', roles: ['reader'], scopes: ['read'] }]),
      { ...caller('billing-api', []), introspects: ['billing'] },
      caller('stranger', []),
    ],
  }),
})
after(() => fixture.close())

const as = await oauth
  .discoveryRequest(new URL(fixture.url), { algorithm: 'oauth2', ...insecure })
  .then((response) => oauth.processDiscoveryResponse(new URL(fixture.url), response))

const connect = (id: string): Promise<openid.Configuration> =>
  openid.discovery(new URL(fixture.url), id, undefined, openid.ClientSecretBasic(secretOf(id)), {
    execute: [openid.allowInsecureRequests],
  })

async function takeToken(): Promise<string> {
  const tokens = await openid.clientCredentialsGrant(await connect('front'), { audience: 'billing' })
  return tokens.access_token
}

test('the metadata names the endpoints, as oauth4webapi reads them', () => {
  assert.equal(as.introspection_endpoint, `${fixture.url}/introspect`)
  assert.equal(as.revocation_endpoint, `${fixture.url}/revoke`)
  assert.deepEqual(as.introspection_endpoint_auth_methods_supported, as.token_endpoint_auth_methods_supported)
  assert.deepEqual(as.revocation_endpoint_auth_methods_supported, as.token_endpoint_auth_methods_supported)
})

test('oauth4webapi introspects and revokes, with every way to authenticate by a secret', async () => {
  for (const method of [oauth.ClientSecretBasic, oauth.ClientSecretPost]) {
    const token = await takeToken()
    const introspect = async (id: string): Promise<oauth.IntrospectionResponse> => {
      const client = { client_id: id }
      const response = await oauth.introspectionRequest(as, client, method(secretOf(id)), token, insecure)
      return oauth.processIntrospectionResponse(as, client, response)
    }
    const active = await introspect('billing-api')
    assert.equal(active.active, true)
    assert.deepEqual([active.client_id, active.aud, active.scope], ['front', audience, 'read'])
    assert.deepEqual(await introspect('stranger'), { active: false })

    const client = { client_id: 'front' }
    const revoked = await oauth.revocationRequest(as, client, method(secretOf('front')), token, insecure)
    assert.equal(await oauth.processRevocationResponse(revoked), undefined)
    assert.deepEqual(await introspect('billing-api'), { active: false })
  }
})

test('oauth4webapi reads our refusals', async () => {
  const token = await takeToken()
  const stranger = { client_id: 'stranger' }
  const authenticate = oauth.ClientSecretPost(secretOf('stranger'))
  const response = await oauth.revocationRequest(as, stranger, authenticate, token, insecure)
  await assert.rejects(
    oauth.processRevocationResponse(response),
    (error) => error instanceof oauth.ResponseBodyError && error.error === 'invalid_grant',
  )
  const wrong = await oauth.introspectionRequest(
    as,
    stranger,
    oauth.ClientSecretBasic('wrong'),
    token,
    insecure,
  )
  await assert.rejects(
    oauth.processIntrospectionResponse(as, stranger, wrong),
    oauth.WWWAuthenticateChallengeError,
  )
})

test('a client with keys of its own introspects by private_key_jwt', async () => {
  const { privateKey, publicKey } = await jose.generateKeyPair('ES256', { extractable: true })
  const jwk = { ...(await jose.exportJWK(publicKey)), alg: 'ES256', kid: 'front-1' }
  const { readJwk } = await import('@countersign/sdk/jwt')
  const keyed = {
    id: 'front',
    secrets: [],
    assertion: {
      kind: 'own' as const,
      keys: { kind: 'keys' as const, keys: [readJwk(jwk)] },
      legacyAudience: false,
    },
    may: [{ service: 'billing', roles: [], scopes: [] }],
  }
  // Its assertions are of the real time, and good for a few seconds of difference alone.
  const issuer = await startIssuer({ trust: chainTrust({ clients: [keyed] }), clock: () => Date.now() })
  const key = { key: privateKey, kid: 'front-1' }
  const config = await openid.discovery(new URL(issuer.url), 'front', undefined, openid.PrivateKeyJwt(key), {
    execute: [openid.allowInsecureRequests],
  })
  const { access_token: token } = await openid.clientCredentialsGrant(config, {})
  assert.equal((await openid.tokenIntrospection(config, token)).active, true)
  await openid.tokenRevocation(config, token)
  assert.equal((await openid.tokenIntrospection(config, token)).active, false)
  await issuer.close()
})

test('openid-client introspects and revokes', async () => {
  const token = await takeToken()
  const [front, service] = [await connect('front'), await connect('billing-api')]
  assert.equal(
    (await openid.tokenIntrospection(service, token, { token_type_hint: 'access_token' })).active,
    true,
  )
  await openid.tokenRevocation(front, token)
  await openid.tokenRevocation(front, token)
  assert.equal((await openid.tokenIntrospection(service, token)).active, false)
  const foreign = createSigner({ key: generateSigningKey('ES256') }).sign({ iss: fixture.url })
  await openid.tokenRevocation(front, foreign)
})

test('jose verifies the list with the published keys and reads who is on it', async () => {
  const token = await takeToken()
  await openid.tokenRevocation(await connect('front'), token)
  const list = await fetch(new URL(String(as['revocations_uri'])))
  const keys = jose.createRemoteJWKSet(new URL(as.jwks_uri!))
  const { payload } = await jose.jwtVerify(await list.text(), keys, {
    issuer: fixture.url,
    typ: 'revocations+jwt',
    requiredClaims: ['iat', 'exp', 'sequence'],
  })
  const revoked = (payload['tokens'] as [string, number][]).map(([id]) => id)
  assert.ok(revoked.includes(String(jose.decodeJwt(token).jti)))
  // Nobody takes the list for a token.
  await assert.rejects(
    oauth.validateJwtAccessToken(
      as,
      new Request(audience, { headers: { Authorization: `Bearer ${await (await fetch(list.url)).text()}` } }),
      audience,
      insecure,
    ),
  )
})
