import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkClaims, endsAtMs, isNumericDate, maxNumericDate, startsAtMs } from './claims.ts'
import type { ClaimRules } from './claims.ts'
import { parseStrictJson } from '../core/json.ts'
import type { StrictJson } from '../core/json.ts'

const rules: ClaimRules = {
  issuer: 'https://issuer.example',
  audience: ['billing'],
  requiredClaims: [],
  toleranceSeconds: 0,
  maxLifetimeSeconds: undefined,
  expiryRequired: true,
}
const good = { iss: 'https://issuer.example', aud: 'billing', exp: 2000 }
const now = 1000

test('the claims that are needed are enough', () => {
  assert.equal(reason(good), undefined)
})

for (const [what, claims, expected] of [
  // iss
  ['no iss', { iss: undefined }, 'issuer-mismatch'],
  ['another iss', { iss: 'https://other.example' }, 'issuer-mismatch'],
  ['a part of iss', { iss: 'issuer.example' }, 'issuer-mismatch'],
  ['iss and more', { iss: 'https://issuer.example/' }, 'issuer-mismatch'],
  ['iss in another case', { iss: 'https://Issuer.example' }, 'issuer-mismatch'],
  ['iss in a list', { iss: ['https://issuer.example'] }, 'issuer-mismatch'],
  ['iss null', { iss: null }, 'issuer-mismatch'],
  // aud
  ['no aud', { aud: undefined }, 'audience-mismatch'],
  ['another aud', { aud: 'orders' }, 'audience-mismatch'],
  ['aud in another case', { aud: 'Billing' }, 'audience-mismatch'],
  ['a part of aud', { aud: 'bill' }, 'audience-mismatch'],
  ['aud null', { aud: null }, 'audience-mismatch'],
  ['an empty aud', { aud: '' }, 'audience-mismatch'],
  ['an empty list in aud', { aud: [] }, 'audience-mismatch'],
  ['a list without us in aud', { aud: ['orders', 'web'] }, 'audience-mismatch'],
  ['a list in a list in aud', { aud: [['billing']] }, 'audience-mismatch'],
  ['a number beside us in aud', { aud: ['billing', 1] }, 'audience-mismatch'],
  ['an object in aud', { aud: { 0: 'billing', length: 1 } }, 'audience-mismatch'],
  ['us in a list in aud', { aud: ['orders', 'billing'] }, undefined],
  // exp
  ['no exp', { exp: undefined }, 'claim-missing'],
  ['exp as text', { exp: '2000' }, 'claim-malformed'],
  ['exp null', { exp: null }, 'claim-malformed'],
  ['exp true', { exp: true }, 'claim-malformed'],
  ['exp in a list', { exp: [2000] }, 'claim-malformed'],
  ['exp below zero', { exp: -1 }, 'claim-malformed'],
  ['exp infinite', { exp: Number.POSITIVE_INFINITY }, 'claim-malformed'],
  ['exp beyond the calendar', { exp: 1e300 }, 'claim-malformed'],
  ['exp in milliseconds', { exp: 1_800_000_000_000 }, 'claim-malformed'],
  ['the last exp there is', { exp: 253_402_300_799 }, undefined],
  ['one exp more', { exp: 253_402_300_800 }, 'claim-malformed'],
  ['exp 0', { exp: 0 }, 'token-expired'],
  // nbf and iat
  ['nbf as text', { nbf: '1' }, 'claim-malformed'],
  ['nbf null', { nbf: null }, 'claim-malformed'],
  ['nbf below zero', { nbf: -1 }, 'claim-malformed'],
  ['iat as text', { iat: '1' }, 'claim-malformed'],
  ['iat false', { iat: false }, 'claim-malformed'],
  ['iat in milliseconds', { iat: 1_800_000_000_000 }, 'claim-malformed'],
  // texts
  ['sub as number', { sub: 7 }, 'claim-malformed'],
  ['sub null', { sub: null }, 'claim-malformed'],
  ['client_id in a list', { client_id: ['orders'] }, 'claim-malformed'],
  ['azp as number', { azp: 1 }, 'claim-malformed'],
  ['jti as number', { jti: 1 }, 'claim-malformed'],
  ['jti in an object', { jti: { $ne: null } }, 'claim-malformed'],
  ['scope as number', { scope: 1 }, 'claim-malformed'],
  ['a number in scope', { scope: ['a', 1] }, 'claim-malformed'],
  ['scope in a list', { scope: ['a', 'b'] }, undefined],
  ['scp in an object', { scp: {} }, 'claim-malformed'],
  ['all texts', { sub: 'a', client_id: 'b', azp: 'c', jti: 'd', scope: 'e f', scp: ['g'] }, undefined],
  // names
  ['ISS beside iss', { ISS: 'https://evil.example' }, 'claim-malformed'],
  ['Sub', { Sub: 'root' }, 'claim-malformed'],
  ['Client_ID', { Client_ID: 'root' }, 'claim-malformed'],
  ['roLes', { roLes: ['admin'] }, 'claim-malformed'],
  ['iss with a long s', { iſſ: 'https://evil.example' }, 'claim-malformed'],
  ['sub with a long s', { '\u017fub': 'root' }, 'claim-malformed'],
  ['a claim of our own in upper case', { TenantID: 'acme' }, undefined],
  ['a claim with an umlaut', { größe: 1 }, undefined],
  // cnf
  ['cnf', { cnf: { jkt: 'x' } }, 'proof-required'],
  ['an empty cnf', { cnf: {} }, 'proof-required'],
  ['cnf null', { cnf: null }, 'proof-required'],
] as const) {
  test(`${what}: ${expected ?? 'accepted'}`, () => {
    assert.equal(reason({ ...good, ...claims }), expected)
  })
}

for (const [nowMs, toleranceSeconds, claims, expected] of [
  [999_999, 0, { exp: 1000 }, undefined],
  [1_000_000, 0, { exp: 1000 }, 'token-expired'],
  [1_004_999, 5, { exp: 1000 }, undefined],
  [1_005_000, 5, { exp: 1000 }, 'token-expired'],
  [1_000_499, 0, { exp: 1000.5 }, undefined],
  [1_000_500, 0, { exp: 1000.5 }, 'token-expired'],
  [999_999, 0, { exp: 2000, nbf: 1000 }, 'token-premature'],
  [1_000_000, 0, { exp: 2000, nbf: 1000 }, undefined],
  [994_999, 5, { exp: 2000, nbf: 1000 }, 'token-premature'],
  [995_000, 5, { exp: 2000, nbf: 1000 }, undefined],
  [999_999, 0, { exp: 2000, iat: 1000 }, 'token-premature'],
  [1_000_000, 0, { exp: 2000, iat: 1000 }, undefined],
  [994_999, 5, { exp: 2000, iat: 1000 }, 'token-premature'],
  [995_000, 5, { exp: 2000, iat: 1000 }, undefined],
  // the later of both
  [1_499_999, 0, { exp: 2000, iat: 1000, nbf: 1500 }, 'token-premature'],
  [1_499_999, 0, { exp: 2000, iat: 1500, nbf: 1000 }, 'token-premature'],
  [1_500_000, 0, { exp: 2000, iat: 1500, nbf: 1000 }, undefined],
  [0, 0, { exp: 1, iat: 0, nbf: 0 }, undefined],
  // a token that begins after it ends is over, not early
  [1_000_000, 0, { exp: 1000, nbf: 1500 }, 'token-expired'],
  // and is good at no time, not even within the tolerance of both
  [1_250_000, 300, { exp: 1000, nbf: 1500 }, undefined],
] as const) {
  test(`${JSON.stringify(claims)} at ${nowMs} ms, ${toleranceSeconds} s tolerated: ${expected ?? 'accepted'}`, () => {
    const all = { ...good, ...claims }
    const its = { ...rules, toleranceSeconds }
    assert.equal(checkClaims(all, its, nowMs)?.reason, expected)
    // The cache asks these two instead.
    assert.equal(nowMs >= startsAtMs(all, its) && nowMs < endsAtMs(all, its), expected === undefined)
  })
}

for (const [maxLifetimeSeconds, claims, expected] of [
  [300, { iat: 900, exp: 1200 }, undefined],
  [300, { iat: 900, exp: 1200.5 }, 'token-lifetime'],
  [300, { iat: 900, exp: 1201 }, 'token-lifetime'],
  [300, { exp: 1200 }, 'claim-missing'],
  [300, { iat: 900, nbf: 950, exp: 1201 }, 'token-lifetime'],
] as const) {
  test(`a life of at most ${maxLifetimeSeconds} s and ${JSON.stringify(claims)}: ${expected ?? 'accepted'}`, () => {
    assert.equal(reason({ ...good, ...claims }, { maxLifetimeSeconds }), expected)
  })
}

test('a token without exp passes where that was allowed, and never ends', () => {
  const { exp: _, ...endless } = good
  assert.equal(reason(endless, { expiryRequired: false }), undefined)
  assert.equal(endsAtMs(endless, rules), Number.POSITIVE_INFINITY)
  assert.equal(reason(endless, { expiryRequired: false, maxLifetimeSeconds: 60 }), 'claim-missing')
  assert.equal(reason({ ...endless, exp: 'never' }, { expiryRequired: false }), 'claim-malformed')
})

test('any audience takes an aud of any value, but not of any type', () => {
  for (const aud of ['web', ['web'], undefined])
    assert.equal(reason({ ...good, aud }, { audience: undefined }), undefined)
  for (const aud of [7, null, [], [7], {}]) {
    assert.equal(reason({ ...good, aud }, { audience: undefined }), 'audience-mismatch')
  }
})

test('any of several audiences will do', () => {
  const audience = ['billing', 'https://billing.example']
  assert.equal(reason({ ...good, aud: 'https://billing.example' }, { audience }), undefined)
  assert.equal(reason({ ...good, aud: ['web', 'https://billing.example'] }, { audience }), undefined)
  assert.equal(reason({ ...good, aud: ['web'] }, { audience }), 'audience-mismatch')
})

test('required claims are there, whatever their value, and not by inheritance', () => {
  assert.equal(reason(good, { requiredClaims: ['sub'] }), 'claim-missing')
  assert.equal(reason({ ...good, sub: 'orders' }, { requiredClaims: ['sub'] }), undefined)
  assert.equal(reason({ ...good, tenant: null }, { requiredClaims: ['tenant'] }), undefined)
  assert.equal(reason(good, { requiredClaims: ['constructor'] }), 'claim-missing')
  assert.equal(reason(good, { requiredClaims: ['toString'] }), 'claim-missing')
})

test('a denial says which claim, and never what was in it', () => {
  const denial = checkClaims({ ...good, sub: { secret: 'hunter2' } } as StrictJson, rules, now * 1000)
  assert.deepEqual(denial, { reason: 'claim-malformed', detail: 'sub has the wrong type or is out of range' })
  const expired = checkClaims({ ...good, exp: 990 }, rules, now * 1000)
  assert.deepEqual(expired, { reason: 'token-expired', detail: 'exp passed 10 s ago' })
})

for (const [value, expected] of [
  [0, true],
  [1.5, true],
  [maxNumericDate, true],
  [maxNumericDate + 1, false],
  [-0.001, false],
  [Number.NaN, false],
  [Number.POSITIVE_INFINITY, false],
  ['1', false],
  [1n, false],
  [null, false],
] as const) {
  test(`${typeof value} ${String(value)} is ${expected ? 'a' : 'no'} date`, () => {
    assert.equal(isNumericDate(value), expected)
  })
}

/** Why `claims` are refused at `now`, as a token brings them: through JSON, unless JSON has no word for them. */
function reason(claims: object, change: Partial<ClaimRules> = {}): string | undefined {
  const written = parseStrictJson(JSON.stringify(claims)) as StrictJson
  const infinite = Object.values(claims).includes(Number.POSITIVE_INFINITY)
  return checkClaims(infinite ? (claims as StrictJson) : written, { ...rules, ...change }, now * 1000)?.reason
}
