import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createKeySet,
  createSigner,
  createVerifier,
  generateSigningKey,
  inspectToken,
  publicJwk,
  verificationKey,
} from '@countersign/sdk/jwt'
import type { Jwk } from '@countersign/sdk/jwt'
import type { ExternalKey } from '../keys/external-keys.ts'
import { mint, mintTransaction } from './mint.ts'

const key = generateSigningKey('ES256')
const signer = createSigner({ key })
const granted = {
  kind: 'granted',
  service: 'billing',
  audience: 'https://billing.acme.example',
  scopes: ['invoices:read', 'invoices:write'],
  roles: ['reader'],
} as const
const request = {
  signer,
  issuer: 'https://issuer.example',
  clientId: 'orders',
  granted,
  nowMs: 1_800_000_000_999,
  lifetimeSeconds: 300,
}

test('a token carries exactly the claims of RFC 9068', () => {
  const minted = mint(request)
  const { header, claims } = inspectToken(minted.token)
  assert.deepEqual(header, { alg: 'ES256', typ: 'at+jwt', kid: key.keyId })
  assert.deepEqual(claims, {
    iss: 'https://issuer.example',
    aud: 'https://billing.acme.example',
    sub: 'orders',
    client_id: 'orders',
    iat: 1_800_000_000,
    exp: 1_800_000_300,
    jti: minted.tokenId,
    scope: 'invoices:read invoices:write',
    roles: ['reader'],
  })
})

test('nothing granted leaves no empty claim behind', () => {
  const { claims } = inspectToken(mint({ ...request, granted: { ...granted, scopes: [], roles: [] } }).token)
  assert.ok(claims !== undefined)
  assert.deepEqual(Object.keys(claims), ['iss', 'aud', 'sub', 'client_id', 'iat', 'exp', 'jti'])
})

test('ids are 128 bits and never meet', () => {
  const ids = Array.from({ length: 1000 }, () => mint({ ...request, signer: fastSigner }).tokenId)
  assert.equal(new Set(ids).size, 1000)
  for (const id of ids) assert.equal(Buffer.from(id, 'base64url').length, 16)
})

test('the sdk verifies what is minted', async () => {
  const verifier = createVerifier({
    issuer: request.issuer,
    audience: granted.audience,
    keySet: createKeySet([verificationKey(key)]),
    clock: () => request.nowMs,
    requiredClaims: ['sub', 'client_id', 'jti', 'iat'],
  })
  const outcome = await verifier.verify(mint(request).token)
  assert.ok(outcome.kind === 'verified')
  assert.deepEqual(outcome.token.scopes, granted.scopes)
})

// Real signatures would take most of the time of the test about ids, and say nothing about them.
const fastSigner = { ...signer, sign: () => '' }

test('a transaction token is signed at once by a key that is here, and later by one that is elsewhere', async () => {
  const verification = verificationKey(key)
  const elsewhere: ExternalKey = {
    keyId: key.keyId,
    algorithm: 'ES256',
    jwk: publicJwk(key) as Jwk,
    verification,
    sign: async (input) => Buffer.from(key.signs(input), 'base64url'),
  }
  const here = mintTransaction({ ...request, key })
  const later = mintTransaction({ ...request, key: elsewhere })
  assert.ok(later instanceof Promise)
  for (const { token, tokenId } of [here, await later]) {
    const { header, claims } = inspectToken(token)
    assert.deepEqual(header, { alg: 'ES256', typ: 'txntoken+jwt', kid: key.keyId })
    assert.equal(claims?.['jti'], tokenId)
    const end = token.lastIndexOf('.')
    assert.ok(verification.verifies(token.slice(0, end), token.slice(end + 1)))
  }
})
