import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { generateSigningKey, publicJwk, readJwks, supportedAlgorithms } from '@countersign/sdk/jwt'
import type { Jwk } from '@countersign/sdk/jwt'
import { createDiscovery, issuerPaths } from './discovery.ts'
import type { Reply } from './reply.ts'

const first = publicJwk(generateSigningKey('ES256'))
const second = publicJwk(generateSigningKey('EdDSA'))
const ring = { keys: [first] as readonly Jwk[], publishedAt: (): readonly Jwk[] => ring.keys }

test('the well-known segment stands between host and path for OAuth, behind the path for OpenID', () => {
  assert.deepEqual(issuerPaths('https://issuer.example'), {
    token: '/token',
    authorization: '/authorize',
    introspection: '/introspect',
    revocation: '/revoke',
    revocations: '/revocations',
    jwks: '/.well-known/jwks.json',
    authorizationServer: '/.well-known/oauth-authorization-server',
    openidConfiguration: '/.well-known/openid-configuration',
  })
  assert.deepEqual(issuerPaths('https://issuer.example/'), issuerPaths('https://issuer.example'))
  assert.deepEqual(issuerPaths('https://issuer.example/a/b'), {
    token: '/a/b/token',
    authorization: '/a/b/authorize',
    introspection: '/a/b/introspect',
    revocation: '/a/b/revoke',
    revocations: '/a/b/revocations',
    jwks: '/a/b/.well-known/jwks.json',
    authorizationServer: '/.well-known/oauth-authorization-server/a/b',
    openidConfiguration: '/a/b/.well-known/openid-configuration',
  })
})

test('the metadata says what is there and nothing that is not', () => {
  for (const issuer of [
    'https://issuer.example',
    'https://issuer.example/',
    'https://issuer.example:8443/a',
  ]) {
    const { body } = fetch(issuer, issuerPaths(issuer).authorizationServer)
    const endpoint = issuer.endsWith('/') ? issuer.slice(0, -1) : issuer
    const methods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt']
    const algorithms = supportedAlgorithms().filter((name) => !name.startsWith('HS'))
    assert.deepEqual(JSON.parse(body), {
      issuer,
      token_endpoint: `${endpoint}/token`,
      authorization_endpoint: `${endpoint}/authorize`,
      jwks_uri: `${endpoint}/.well-known/jwks.json`,
      response_types_supported: [],
      grant_types_supported: [
        'client_credentials',
        'urn:ietf:params:oauth:grant-type:token-exchange',
        'urn:ietf:params:oauth:grant-type:jwt-bearer',
      ],
      token_endpoint_auth_methods_supported: methods,
      token_endpoint_auth_signing_alg_values_supported: algorithms,
      introspection_endpoint: `${endpoint}/introspect`,
      introspection_endpoint_auth_methods_supported: methods,
      introspection_endpoint_auth_signing_alg_values_supported: algorithms,
      revocation_endpoint: `${endpoint}/revoke`,
      revocation_endpoint_auth_methods_supported: methods,
      revocation_endpoint_auth_signing_alg_values_supported: algorithms,
      revocations_uri: `${endpoint}/revocations`,
      dpop_signing_alg_values_supported: ['ES256'],
    })
  }
})

test('readers of OpenID metadata find its required members too', () => {
  const metadata = JSON.parse(fetch('https://issuer.example', '/.well-known/openid-configuration').body)
  assert.deepEqual(metadata.subject_types_supported, ['public'])
  assert.deepEqual(metadata.id_token_signing_alg_values_supported, ['ES256'])
})

test('the key set has its own type, the cache life of the rotation, and is readable by the sdk', () => {
  const { status, headers, body } = fetch('https://issuer.example', '/.well-known/jwks.json')
  assert.equal(status, 200)
  assert.equal(header(headers, 'Content-Type'), 'application/jwk-set+json')
  assert.equal(header(headers, 'Cache-Control'), 'public, max-age=300')
  assert.deepEqual(
    readJwks(JSON.parse(body)).map((key) => key.keyId),
    [first['kid']],
  )
})

test('an unchanged key set is 304, with its tag and cache life; a changed one is sent', () => {
  const discovery = createDiscovery({
    issuer: 'https://issuer.example',
    algorithm: 'ES256',
    ring,
    cacheSeconds: 300,
    proofAlgorithms: ['ES256'],
  })
  const serve = discovery.get('/.well-known/jwks.json')!
  const before = serve(request({}), 0)
  const etag = header(before.headers, 'ETag') ?? ''
  assert.match(etag, /^"[\w-]{22}"$/)
  for (const known of [etag, `W/${etag}`, `"x", ${etag}`, ` ${etag} `, '*']) {
    const answer = serve(request({ 'if-none-match': known }), 0)
    assert.equal(answer.status, 304, known)
    assert.deepEqual(
      [header(answer.headers, 'ETag'), header(answer.headers, 'Cache-Control'), answer.body],
      [etag, 'public, max-age=300', ''],
    )
  }
  for (const known of ['"x"', etag.slice(1, -1), etag.slice(0, -1), '']) {
    assert.equal(serve(request({ 'if-none-match': known }), 0).status, 200, known)
  }

  ring.keys = [second, first]
  const after = serve(request({ 'if-none-match': etag }), 0)
  assert.equal(after.status, 200)
  assert.notEqual(header(after.headers, 'ETag'), etag)
  assert.equal(JSON.parse(after.body).keys.length, 2)
  ring.keys = [first]
  assert.equal(serve(request({ 'if-none-match': etag }), 0).status, 304)
})

function fetch(issuer: string, path: string): Reply {
  const discovery = createDiscovery({
    issuer,
    algorithm: 'ES256',
    ring,
    cacheSeconds: 300,
    proofAlgorithms: ['ES256'],
  })
  const serve = discovery.get(path)
  assert.ok(serve !== undefined, path)
  return serve(request({}), 0)
}

function request(headers: Record<string, string>): IncomingMessage {
  return { headers } as unknown as IncomingMessage
}

function header(headers: readonly string[], name: string): string | undefined {
  const index = headers.indexOf(name)
  return index === -1 ? undefined : headers[index + 1]
}
