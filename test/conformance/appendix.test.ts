import assert from 'node:assert/strict'
import {
  createKeySet,
  createVerifier,
  dangerouslyAnyAudience,
  dangerouslyAnyType,
  generateSigningKey,
  jwkThumbprint,
  verificationKey,
  verifyJws,
} from '@countersign/sdk/jwt'
import type { Algorithm, Jwk } from '@countersign/sdk/jwt'
import { readVectors, verifierOf, vectorTest } from './vectors.ts'

type Example = {
  readonly id: string
  readonly alg: string
  readonly jwk: Jwk | null
  readonly jws: string
  readonly result: 'valid' | 'invalid'
}

vectorTest('RFC 7515, RFC 7519 and RFC 8037 examples', (t) => {
  const { tests } = readVectors<{ tests: readonly Example[] }>('rfc-appendix/jws.json')
  for (const { id, alg, jwk, jws, result } of tests) {
    const keys = jwk === null ? everyKey : [verifierOf(jwk, alg as Algorithm)]
    for (const key of keys) assert.equal(verifyJws(jws, key).kind === 'verified', result === 'valid', id)
  }
  assert.equal(tests.length, 6)
  t.diagnostic(`rfc-appendix/jws: ${tests.length} examples met`)
})

vectorTest('RFC 7515 examples as tokens: good until the second they end', (t) => {
  const { tests } = readVectors<{ tests: readonly Example[] }>('rfc-appendix/jws.json')
  let tokens = 0
  for (const { id, alg, jwk, jws } of tests) {
    if (jwk === null || !Buffer.from(jws.split('.')[1]!, 'base64url').toString().startsWith('{')) continue
    const verifier = createVerifier({
      issuer: 'joe',
      audience: dangerouslyAnyAudience,
      types: dangerouslyAnyType,
      clockToleranceSeconds: 0,
      keySet: createKeySet([verifierOf(jwk, alg as Algorithm)]),
    })
    const end = 1_300_819_380_000
    const verification = verifier.verifyNow(jws, end - 1)
    assert.ok(verification?.kind === 'verified', id)
    assert.equal(verification.token.claims['http://example.com/is_root'], true, id)
    const late = verifier.verifyNow(jws, end)
    assert.ok(late?.kind === 'denied' && late.denial.reason === 'token-expired', id)
    tokens++
  }
  assert.equal(tokens, 3)
  t.diagnostic(`rfc-appendix/jws: ${tokens} of them verified as tokens`)
})

vectorTest('RFC 7638 and RFC 8037 thumbprints', (t) => {
  const { tests } = readVectors<{ tests: readonly { id: string; jwk: Jwk; sha256: string }[] }>(
    'rfc-appendix/thumbprint.json',
  )
  for (const { id, jwk, sha256 } of tests) {
    assert.equal(jwkThumbprint(jwk), sha256, id)
    // Only the required members count, in whatever order they stand.
    const more = Object.fromEntries([...Object.entries(jwk).reverse(), ['kid', 'x'], ['d', 'y']])
    assert.equal(jwkThumbprint(more), sha256, id)
  }
  assert.equal(tests.length, 2)
  t.diagnostic(`rfc-appendix/thumbprint: ${tests.length} thumbprints met`)
})

const everyKey = (['HS256', 'ES256', 'Ed25519'] as const).map((algorithm) =>
  verificationKey(generateSigningKey(algorithm)),
)
