import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestIssuer } from './loopback-issuer.ts'

test('metadata at both places, and the key set with its age and ETag', async () => {
  await using issuer = await startTestIssuer({ keysMaxAgeSeconds: 30 })
  for (const path of ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']) {
    const reply = await fetch(issuer.url + path)
    const metadata = (await reply.json()) as Record<string, unknown>
    assert.equal(metadata['issuer'], issuer.url)
    assert.equal(metadata['token_endpoint'], `${issuer.url}/token`)
    assert.equal(metadata['jwks_uri'], `${issuer.url}/.well-known/jwks.json`)
  }
  const keys = await fetch(`${issuer.url}/.well-known/jwks.json`)
  assert.equal(keys.headers.get('cache-control'), 'public, max-age=30')
  assert.deepEqual(await keys.json(), issuer.jwks())
  const etag = keys.headers.get('etag')!
  const again = (): Promise<Response> =>
    fetch(`${issuer.url}/.well-known/jwks.json`, { headers: { 'if-none-match': etag } })
  assert.equal((await again()).status, 304)
  issuer.rotate()
  assert.equal((await again()).status, 200)
})

test('no private member is ever published', async () => {
  await using issuer = await startTestIssuer()
  issuer.rotate()
  const { keys } = (await (await fetch(`${issuer.url}/.well-known/jwks.json`)).json()) as {
    keys: Record<string, unknown>[]
  }
  assert.equal(keys.length, 2)
  for (const key of keys)
    assert.deepEqual(Object.keys(key).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
})

test('other paths and methods are not found and not allowed', async () => {
  await using issuer = await startTestIssuer()
  assert.equal((await fetch(`${issuer.url}/`)).status, 404)
  assert.equal((await fetch(`${issuer.url}/token`)).status, 405)
  assert.equal((await fetch(`${issuer.url}/.well-known/jwks.json`, { method: 'POST' })).status, 405)
})

test('faults are answered before anything else', async () => {
  await using issuer = await startTestIssuer()
  issuer.fail({ token: 429, keys: 'reset' })
  assert.equal((await fetch(`${issuer.url}/token`, { method: 'POST' })).status, 429)
  await assert.rejects(fetch(`${issuer.url}/.well-known/jwks.json`))
  assert.deepEqual(issuer.requests, { metadata: 0, keys: 1, token: 1, revocations: 0 })
})
