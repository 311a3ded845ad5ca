import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateSigningKey, publicJwk, readJwk } from './key-readers.ts'
import { createKeySet } from './key-set.ts'
import { createRemoteKeySet } from './remote-key-set.ts'
import { createRevocations } from './revocations.ts'
import { compileOptions, dangerouslyAnyAudience, dangerouslyAnyType, readTypes } from './verifier-options.ts'
import type { VerifierOptions } from './verifier-options.ts'

const keySet = createKeySet([readJwk(publicJwk(generateSigningKey('ES256')))])
const one = { issuer: 'https://issuer.example', audience: 'billing', keySet }
const other = { issuer: 'https://other.example', audience: ['a', 'b'], keySet }

test('what is not said has a strict default', () => {
  const { issuers, cacheEntries } = compileOptions(one)
  assert.deepEqual([...issuers.keys()], ['https://issuer.example'])
  const rules = issuers.get('https://issuer.example')!
  assert.equal(rules.issuer, 'https://issuer.example')
  assert.equal(rules.keySet, keySet)
  assert.deepEqual(rules.audience, ['billing'])
  assert.equal(rules.algorithms, undefined)
  assert.deepEqual(rules.types, new Set(['at+jwt']))
  assert.deepEqual(rules.requiredClaims, [])
  assert.equal(rules.toleranceSeconds, 5)
  assert.equal(rules.maxLifetimeSeconds, undefined)
  assert.equal(rules.expiryRequired, true)
  assert.equal(cacheEntries, 10_000)
})

test('what is said is taken', () => {
  const { issuers, cacheEntries } = compileOptions({
    ...one,
    audience: dangerouslyAnyAudience,
    algorithms: ['ES256', 'RS256'],
    types: ['JWT', 'application/at+jwt'],
    requiredClaims: ['sub'],
    clockToleranceSeconds: 0,
    maxLifetimeSeconds: 300,
    dangerouslyAllowMissingExpiry: true,
    cache: { entries: 7 },
    revocations: createRevocations(),
    clock: () => 0,
  })
  const rules = issuers.get('https://issuer.example')!
  assert.equal(rules.audience, undefined)
  assert.deepEqual(rules.algorithms, new Set(['ES256', 'RS256']))
  assert.deepEqual(rules.types, new Set(['jwt', 'at+jwt']))
  assert.deepEqual(rules.requiredClaims, ['sub'])
  assert.equal(rules.toleranceSeconds, 0)
  assert.equal(rules.maxLifetimeSeconds, 300)
  assert.equal(rules.expiryRequired, false)
  assert.equal(cacheEntries, 7)
  assert.equal(compileOptions({ ...one, cache: false }).cacheEntries, 0)
})

test('several issuers have each their own rules, and the rest in common', () => {
  const { issuers } = compileOptions({
    issuers: [one, { ...other, types: dangerouslyAnyType }],
    clockToleranceSeconds: 1,
  })
  assert.deepEqual(issuers.get('https://issuer.example')?.audience, ['billing'])
  assert.deepEqual(issuers.get('https://other.example')?.audience, ['a', 'b'])
  assert.equal(issuers.get('https://other.example')?.types, undefined)
  assert.ok([...issuers.values()].every((rules) => rules.toleranceSeconds === 1))
})

test('options are copied: changing them later changes nothing', () => {
  const audience = ['billing']
  const requiredClaims = ['sub']
  const { issuers } = compileOptions({ ...one, audience, requiredClaims })
  audience.push('admin')
  requiredClaims.pop()
  const rules = issuers.get('https://issuer.example')!
  assert.deepEqual(rules.audience, ['billing'])
  assert.deepEqual(rules.requiredClaims, ['sub'])
})

test('the keys of a remote set are for its issuer alone', () => {
  const remote = createRemoteKeySet({ issuer: 'https://other.example' })
  compileOptions({ ...other, keySet: remote })
  assert.throws(() => compileOptions({ ...one, keySet: remote }), {
    code: 'option-invalid',
    message: 'createVerifier: keySet holds the keys of another issuer than "https://issuer.example"',
  })
})

for (const [what, change] of [
  ['no issuer', { issuer: undefined }],
  ['an empty issuer', { issuer: '' }],
  ['a list of issuers', { issuer: ['https://issuer.example'] }],
  ['a pattern of issuers', { issuer: /issuer/ }],
  ['no audience', { audience: undefined }],
  ['audience null', { audience: null }],
  ['an empty audience', { audience: '' }],
  ['an empty list of audiences', { audience: [] }],
  ['an empty audience in a list', { audience: ['billing', ''] }],
  ['a pattern of audiences', { audience: /billing/ }],
  ['a pattern in a list of audiences', { audience: [/billing/] }],
  ['another symbol for the audience', { audience: Symbol('dangerouslyAnyAudience') }],
  ['the symbol for types as audience', { audience: dangerouslyAnyType }],
  ['no keys', { keySet: undefined }],
  ['keys in a list', { keySet: keySet.keys }],
  ['a JWK Set', { keySet: { keys: [] } }],
  ['a secret', { keySet: 'secret' }],
  ['an unknown algorithm', { algorithms: ['none'] }],
  ['no algorithm', { algorithms: [] }],
  ['algorithms as text', { algorithms: 'ES256' }],
  ['no type', { types: [] }],
  ['an empty type', { types: [''] }],
  ['a type as text', { types: 'at+jwt' }],
  ['a pattern of types', { types: [/jwt/] }],
  ['the symbol for audiences as types', { types: dangerouslyAnyAudience }],
  ['required claims as text', { requiredClaims: 'sub' }],
  ['a required claim without a name', { requiredClaims: [''] }],
  ['a negative tolerance', { clockToleranceSeconds: -1 }],
  ['a tolerance over five minutes', { clockToleranceSeconds: 301 }],
  ['a tolerance that is NaN', { clockToleranceSeconds: Number.NaN }],
  ['an infinite tolerance', { clockToleranceSeconds: Number.POSITIVE_INFINITY }],
  ['a tolerance as text', { clockToleranceSeconds: '5' }],
  ['a life of nothing', { maxLifetimeSeconds: 0 }],
  ['an endless life', { maxLifetimeSeconds: Number.POSITIVE_INFINITY }],
  ['a life as text', { maxLifetimeSeconds: '60' }],
  ['a cache of -1', { cache: { entries: -1 } }],
  ['a cache of a half', { cache: { entries: 0.5 } }],
  ['a cache of nobody knows', { cache: {} }],
  ['a cache as a number', { cache: 1000 }],
  ['a cache that is true', { cache: true }],
  ['a cache null', { cache: null }],
  ['a list of revocations', { revocations: [] }],
  ['a clock that stands', { clock: 1_800_000_000_000 }],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(() => compileOptions({ ...one, ...change } as unknown as VerifierOptions), {
      code: 'option-invalid',
    })
  })
}

for (const [what, issuers] of [
  ['no list', one],
  ['an empty list', []],
  ['an issuer twice', [one, one]],
  ['nothing', undefined],
  ['a null in the list', [one, null]],
  ['a text in the list', [one, 'https://other.example']],
] as const) {
  test(`issuers with ${what} are refused`, () => {
    assert.throws(() => compileOptions({ issuers } as unknown as VerifierOptions), { code: 'option-invalid' })
  })
}

for (const [what, options] of [
  ['audiense', { ...one, audiense: 'billing' }],
  ['clockTolerance', { ...one, clockTolerance: 5 }],
  ['ignoreExpiration', { ...one, ignoreExpiration: true }],
  ['one issuer beside several', { issuers: [one], issuer: 'https://issuer.example' }],
  ['an audience beside several issuers', { issuers: [one], audience: 'billing' }],
  ['a shared option in one issuer', { issuers: [{ ...one, clockToleranceSeconds: 5 }] }],
  ['a misspelt cache size', { ...one, cache: { entires: 5 } }],
] as const) {
  test(`unknown: ${what}`, () => {
    assert.throws(() => compileOptions(options as unknown as VerifierOptions), { code: 'option-unknown' })
  })
}

test('missing expiry is allowed by true alone', () => {
  for (const value of ['true', 1, {}, undefined, false]) {
    const options = { ...one, dangerouslyAllowMissingExpiry: value } as unknown as VerifierOptions
    assert.equal(compileOptions(options).issuers.get('https://issuer.example')?.expiryRequired, true)
  }
})

test('types compare as media types', () => {
  assert.deepEqual(readTypes(['application/DPoP+JWT']), new Set(['dpop+jwt']))
  assert.equal(readTypes(dangerouslyAnyType), undefined)
})
