import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DenialReason } from '@countersign/sdk/core'
import {
  createKeySet,
  createRevocations,
  createSigner,
  createVerifier,
  generateSigningKey,
  verificationKey,
} from '@countersign/sdk/jwt'
import { denialWire } from '@countersign/sdk/policy'
import { verifyChecks } from './verify-checks.ts'

const key = generateSigningKey('ES256', { keyId: 'k1' })
const other = generateSigningKey('ES256', { keyId: 'k1' })
const keySet = createKeySet([verificationKey(key)])
const issuer = { issuer: 'i', audience: 'a', keySet, requiredClaims: ['sub'] }
const nowMs = 1_800_000_000_000
const good = { iss: 'i', aud: 'a', sub: 's', jti: 'j', iat: 1_800_000_000, exp: 1_800_000_300 }

test('a good token passes every check; of revocations nobody here can say', () => {
  const checks = checksOf(sign(good))
  assert.deepEqual([...new Set(checks.map(({ outcome }) => outcome))], ['pass', 'skipped'])
  assert.equal(checks.find(({ name }) => name === 'time')?.detail, 'ends in 300 s')
  assert.equal(checks.find(({ name }) => name === 'revocation')?.outcome, 'skipped')
})

test('of a token that is bound nobody here can say who sends it', () => {
  const token = sign({ ...good, cnf: { jkt: 'x'.repeat(43) } })
  assert.equal(checksOf(token).find(({ name }) => name === 'proof')?.outcome, 'fail')
  const checks = checksOf(token, 'checked-by-caller')
  assert.match(checks.find(({ name }) => name === 'proof')?.detail ?? '', /^bound to its client/)
  assert.deepEqual(
    checks.filter(({ outcome }) => outcome !== 'pass').map(({ name, outcome }) => [name, outcome]),
    [
      ['proof', 'skipped'],
      ['revocation', 'skipped'],
    ],
  )
})

describe('one failed check, and nothing claimed of what was not looked at', () => {
  const cases: [what: string, token: string, fails: string, passed: string][] = [
    ['three words', 'a.b.c', 'form', ''],
    ['an unknown algorithm', head({ alg: 'none', typ: 'at+jwt' }), 'algorithm', ''],
    ['another issuer', sign({ ...good, iss: 'x' }), 'issuer', 'form'],
    ['another type', sign(good, 'JWT'), 'type', 'form issuer'],
    [
      'an unknown key',
      createSigner({ key: generateSigningKey('ES256', { keyId: 'k2' }) }).sign(good),
      'key',
      'form issuer type',
    ],
    [
      'the algorithm of another key',
      createSigner({ key: generateSigningKey('ES384', { keyId: 'k1' }) }).sign(good),
      'algorithm',
      'form issuer',
    ],
    [
      'a foreign signature',
      createSigner({ key: other }).sign(good),
      'signature',
      'form issuer algorithm type key',
    ],
    ['another audience', sign({ ...good, aud: 'x' }), 'audience', 'form issuer algorithm type key signature'],
    ['an odd claim', sign({ ...good, sub: 7 }), 'claims', 'form issuer algorithm type key signature'],
    [
      'an old one',
      sign({ ...good, exp: 1_700_000_000 }),
      'time',
      'form issuer algorithm type key signature audience',
    ],
    [
      'one bound to a key',
      sign({ ...good, cnf: { jkt: 'x' } }),
      'proof',
      'form issuer algorithm type key signature audience claims time',
    ],
  ]
  for (const [what, token, fails, passed] of cases) {
    test(what, () => {
      const checks = checksOf(token)
      assert.deepEqual(
        checks.filter(({ outcome }) => outcome === 'fail').map(({ name }) => name),
        [fails],
      )
      assert.equal(
        checks
          .filter(({ outcome }) => outcome === 'pass')
          .map(({ name }) => name)
          .join(' '),
        passed,
      )
    })
  }

  test('a revoked one', () => {
    const revocations = createRevocations()
    revocations.revoke({ issuer: 'i', tokenId: 'j', untilSeconds: good.exp }, nowMs)
    const verification = createVerifier({ ...issuer, revocations, clock: () => nowMs }).verifyNow(sign(good))
    assert.ok(verification)
    const checks = verifyChecks(sign(good), [issuer], verification, nowMs)
    assert.deepEqual(
      checks.filter(({ outcome }) => outcome !== 'pass').map(({ name }) => name),
      ['revocation'],
    )
  })
})

test('every reason a verifier has finds its check', () => {
  const reasons = Object.keys(denialWire) as DenialReason[]
  const ofVerifier = reasons.slice(reasons.indexOf('token-oversize'), reasons.indexOf('proof-required') + 1)
  assert.ok(ofVerifier.length > 10)
  for (const reason of ofVerifier) {
    const checks = verifyChecks(
      sign(good),
      [issuer],
      { kind: 'denied', denial: { reason, detail: '' } },
      nowMs,
    )
    const failed = checks.filter(({ outcome }) => outcome === 'fail')
    assert.equal(failed.length, 1, reason)
    assert.ok(failed[0]?.detail.startsWith(reason))
    if (failed[0]?.name === 'form')
      assert.ok(['token-oversize', 'token-malformed', 'critical-unknown'].includes(reason), reason)
  }
})

test('control characters of a token do not reach the terminal', () => {
  const checks = checksOf(sign({ ...good, aud: ['a', 'x\u001b[2J\u009b'], 'n\u2028': 1 }))
  assert.ok(!/[\u0000-\u001f\u007f-\u009f\u2028]/.test(checks.map(({ detail }) => detail).join('')))
})

function checksOf(token: string, confirmation: 'refused' | 'checked-by-caller' = 'refused') {
  const verification = createVerifier({ ...issuer, confirmation, clock: () => nowMs }).verifyNow(token)
  assert.ok(verification)
  return verifyChecks(token, [issuer], verification, nowMs)
}

function sign(claims: Record<string, unknown>, type = 'at+jwt'): string {
  return createSigner({ key, type }).sign(claims)
}

function head(header: Record<string, unknown>): string {
  return (
    [header, good].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.') + '.AAAA'
  )
}
