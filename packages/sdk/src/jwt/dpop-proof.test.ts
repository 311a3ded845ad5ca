import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { createDpopKey, createDpopProof } from './dpop-proof.ts'
import type { DpopProofOptions } from './dpop-proof.ts'
import { inspectToken } from './inspect.ts'
import { jwkThumbprint } from './jwk.ts'
import type { Jwk } from './jwk.ts'
import { verifyJws } from './jws.ts'
import { readJwk } from './key-readers.ts'

const key = createDpopKey()
const nowMs = 1_800_000_000_500
const request = { key, method: 'GET', url: 'https://Billing.example:443/invoices/7?page=2#top', nowMs }

test('a proof says what RFC 9449 §4.2 asks for, and is signed by the key in its header', () => {
  const proof = createDpopProof({ ...request, accessToken: 'the-token', nonce: 'n-1' })
  const { header, claims } = inspectToken(proof)
  assert.deepEqual(Object.keys(header!).sort(), ['alg', 'jwk', 'typ'])
  assert.equal(header!['typ'], 'dpop+jwt')
  assert.equal(header!['alg'], 'ES256')
  const jwk = header!['jwk'] as Jwk
  assert.deepEqual(Object.keys(jwk).sort(), ['crv', 'kty', 'x', 'y'], 'the key and nothing else')
  const { jti, ...rest } = claims!
  assert.match(jti as string, /^[0-9a-f-]{36}$/)
  assert.deepEqual(
    { ...rest },
    {
      htm: 'GET',
      htu: 'https://billing.example/invoices/7',
      iat: 1_800_000_000,
      ath: createHash('sha256').update('the-token').digest('base64url'),
      nonce: 'n-1',
    },
  )
  assert.equal(verifyJws(proof, readJwk(jwk), { types: ['dpop+jwt'] }).kind, 'verified')
  assert.equal(key.thumbprint, jwkThumbprint(jwk))
})

test('without a token there is no ath, without a nonce no nonce', () => {
  const { claims } = inspectToken(createDpopProof(request))
  assert.deepEqual(Object.keys(claims!).sort(), ['htm', 'htu', 'iat', 'jti'])
})

test('each proof has an id of its own', () => {
  const ids = new Set(
    Array.from({ length: 100 }, () => inspectToken(createDpopProof(request)).claims!['jti']),
  )
  assert.equal(ids.size, 100)
})

for (const algorithm of ['ES256', 'ES384', 'PS256', 'RS256', 'EdDSA', 'Ed25519', 'Ed448'] as const) {
  test(`a key for ${algorithm}`, () => {
    const own = createDpopKey({ algorithm })
    assert.equal(own.algorithm, algorithm)
    const { header } = inspectToken(createDpopProof({ ...request, key: own }))
    assert.equal(header!['alg'], algorithm)
    assert.equal(jwkThumbprint(header!['jwk'] as Jwk), own.thumbprint)
  })
}

test('the private half is nowhere to be seen', () => {
  const shown = inspect(key, { depth: 9, showHidden: true }) + JSON.stringify(key)
  assert.ok(!shown.includes('"d"') && !shown.includes('KeyObject'), shown)
})

test('a key of a kind that cannot stand in a header, or that others would need to know', () => {
  for (const algorithm of ['HS256', 'ML-DSA-44', 'none', 'es256']) {
    assert.throws(() => createDpopKey({ algorithm: algorithm as 'ES256' }), { code: 'option-invalid' })
  }
  assert.throws(() => createDpopKey({ alg: 'ES256' } as {}), { code: 'option-unknown' })
})

for (const [what, wrong] of [
  ['a look-alike of a key', { key: { algorithm: 'ES256', thumbprint: key.thumbprint } }],
  ['an heir of a key', { key: Object.create(key) }],
  ['no method', { method: '' }],
  ['a URL without its host', { url: '/invoices/7' }],
  ['a URL with credentials', { url: 'https://me:x@billing.example/' }],
  ['a URL of another kind', { url: 'ftp://billing.example/' }],
  ['a time that is none', { nowMs: Number.NaN }],
] as const) {
  test(`refused: ${what}`, () => {
    assert.throws(() => createDpopProof({ ...request, ...wrong } as unknown as DpopProofOptions), {
      code: 'option-invalid',
    })
  })
}

test('an option that does not exist', () => {
  assert.throws(() => createDpopProof({ ...request, token: 'x' } as DpopProofOptions), {
    code: 'option-unknown',
  })
})
