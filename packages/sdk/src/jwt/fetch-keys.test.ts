import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fetchKeys } from './fetch-keys.ts'
import { generateSigningKey } from './key-readers.ts'
import type { SafeGetLimits } from '../core/safe-get.ts'
import { startIssuer } from '../../../../test/jwt/issuer.ts'

const first = generateSigningKey('Ed25519', { keyId: 'first' })
const limits: SafeGetLimits = {
  // For a machine that is busy; no test waits for it.
  timeoutMs: 20_000,
  maxBytes: 256 * 1024,
  allowPrivateAddresses: false,
  allowLoopback: true,
  dangerouslyAllowHttp: false,
}

test('the place of the keys is looked up, then known; the tag of keys at hand saves sending them again', async (t) => {
  const issuer = await startIssuer(t, [first])
  issuer.etag = '"one"'
  const { url, paths } = issuer
  const once = await fetchKeys({ issuer: url }, limits, undefined, undefined)
  assert.deepEqual(paths, ['/.well-known/openid-configuration', '/jwks'])
  assert.equal(once.jwksUri, `${url}/jwks`)
  assert.deepEqual(
    once.keys?.map(({ keyId }) => keyId),
    ['first'],
  )
  const again = await fetchKeys({ issuer: url }, limits, once.jwksUri, once.etag)
  assert.equal(again.keys, undefined)
  assert.equal(paths.length, 3)
})

test('keys of other algorithms than those that may be meant are left out', async (t) => {
  const { url } = await startIssuer(t, [first])
  const { keys } = await fetchKeys({ issuer: url, algorithms: ['ES256'] }, limits, undefined, undefined)
  assert.deepEqual(keys, [])
})

test('"not modified" without keys at hand is no answer', async (t) => {
  const issuer = await startIssuer(t, [first])
  issuer.status = 304
  await assert.rejects(
    fetchKeys({ issuer: issuer.url, jwksUri: `${issuer.url}/jwks` }, limits, undefined, undefined),
    { code: 'fetch-failed', message: /answered 304$/ },
  )
})
