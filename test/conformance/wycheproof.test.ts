import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import {
  createKeySet,
  createVerifier,
  dangerouslyAnyAudience,
  dangerouslyAnyType,
  inspectToken,
  readJwk,
  verifyJws,
} from '@countersign/sdk/jwt'
import type { Jwk, VerificationKey } from '@countersign/sdk/jwt'
import { readVectors, unlessRefused, vectorTest } from './vectors.ts'

// Project Wycheproof's JOSE vectors (C2SP/wycheproof): whether a strict JWS layer, keys included, takes each of them.
// There is no list of exceptions. Eight vectors contradict others or a standard; overrides.json says which and why.

vectorTest('Wycheproof, JSON Web Signature', (t) => meetsAll(t, 'json_web_signature_test', 399, 44))
vectorTest('Wycheproof, JSON Web Key', (t) => meetsAll(t, 'json_web_key_test', 26, 5))
vectorTest('Wycheproof, JSON Web Crypto', (t) => meetsAll(t, 'json_web_crypto_test', 49, 4))

vectorTest('Wycheproof, encrypted tokens: none is taken for a signed one', (t) => {
  let seen = 0
  for (const { key, tests } of groupsOf('json_web_crypto_test')) {
    for (const { tcId, jwe } of tests) {
      if (jwe === undefined) continue
      seen++
      const listed = 'keys' in key ? (key['keys'] as Jwk[]) : [key]
      assert.equal(
        unlessRefused(() => listed.map((jwk) => readJwk(jwk))),
        undefined,
        `tcId ${tcId}: its key`,
      )
      const outcome = verifyJws(jwe, readJwk(hs256))
      assert.equal(outcome.kind, 'denied', `tcId ${tcId}`)
      const verification = anyVerifier.verifyNow(jwe)
      assert.ok(
        verification?.kind === 'denied' && verification.denial.reason === 'token-malformed',
        `tcId ${tcId}`,
      )
      assert.notDeepEqual(inspectToken(jwe).problems, [], `tcId ${tcId}`)
    }
  }
  assert.equal(seen, 34)
  t.diagnostic(`json_web_crypto_test: ${seen} encrypted tokens refused`)
})

function meetsAll(t: TestContext, file: string, count: number, valid: number): void {
  const missed: string[] = []
  const seen = { valid: 0, invalid: 0 }
  const overrides =
    readVectors<Record<string, Record<string, Override>>>('wycheproof/overrides.json')[file] ?? {}
  for (const { key, tests } of groupsOf(file)) {
    for (const { tcId, jws, result, comment } of tests) {
      const override = overrides[String(tcId)]
      if (jws === undefined || override?.action === 'skip') continue
      const expected = override?.result ?? result
      seen[expected]++
      const jwk = override?.setKeyAlg === undefined ? key : { ...key, alg: override.setKeyAlg }
      const outcome = isAccepted(jws, jwk) ? 'valid' : 'invalid'
      if (outcome !== expected) missed.push(`tcId ${tcId} (${comment}): ${outcome} instead of ${expected}`)
    }
  }
  assert.deepEqual(missed, [])
  assert.deepEqual(seen, { valid, invalid: count - valid })
  t.diagnostic(`${file}: ${count} of ${count} expectations met`)
}

/** Reads the keys as a caller would, and verifies with them. */
function isAccepted(jws: string, key: Jwk): boolean {
  const listed = 'keys' in key ? (key['keys'] as Jwk[]) : [key]
  const outcome = unlessRefused(() => {
    const keys: VerificationKey[] = listed.map((jwk) => readJwk(jwk))
    return verifyJws(jws, keys)
  })
  return outcome?.kind === 'verified'
}

function groupsOf(file: string): { key: Jwk; tests: readonly Vector[] }[] {
  const { testGroups } = readVectors<{ testGroups: readonly Group[] }>(`wycheproof/${file}.json`)
  return testGroups.map((group) => ({ key: group.public ?? group.private, tests: group.tests }))
}

type Group = { readonly private: Jwk; readonly public?: Jwk; readonly tests: readonly Vector[] }
type Vector = {
  readonly tcId: number
  readonly comment: string
  readonly jws?: string
  readonly jwe?: string
  readonly result: 'valid' | 'invalid'
}
type Override = {
  readonly action?: 'skip'
  readonly result?: 'valid' | 'invalid'
  readonly setKeyAlg?: string
}

const hs256 = { kty: 'oct', alg: 'HS256', k: Buffer.alloc(32, 1).toString('base64url') }
const anyVerifier = createVerifier({
  issuer: 'https://issuer.example',
  audience: dangerouslyAnyAudience,
  types: dangerouslyAnyType,
  keySet: createKeySet([readJwk(hs256)]),
})
