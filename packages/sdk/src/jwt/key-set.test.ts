import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Algorithm } from './algorithms.ts'
import { generateSigningKey, publicJwk, readJwk, readSecretKey } from './key-readers.ts'
import type { VerificationKey } from './key.ts'
import { createKeySet, keyDenial } from './key-set.ts'
import type { Jwk } from './jwk.ts'
import { Secret } from '../core/secret.ts'

const jwkOf = (algorithm: Algorithm, kid: string): Jwk =>
  publicJwk(generateSigningKey(algorithm, { keyId: kid }))
const without = (jwk: Jwk, member: string): Jwk => ({ ...jwk, [member]: undefined })
const es1Jwk = jwkOf('ES256', 'es-1')
const es1 = readJwk(es1Jwk)
const es2 = readJwk(jwkOf('ES256', 'es-2'))
const ed = readJwk(jwkOf('Ed25519', 'ed'))
const namelessEs = readJwk(without(jwkOf('ES256', 'x'), 'kid'))
const namelessEs2 = readJwk(without(jwkOf('ES256', 'x'), 'kid'))
const namelessEd = readJwk(without(jwkOf('Ed25519', 'x'), 'kid'))
const secret = readSecretKey(Secret.fromText('x'.repeat(32)), { algorithm: 'HS256' })

for (const [what, keys, kid, alg, expected] of [
  ['by name', [es1, es2, ed], 'es-2', 'ES256', es2],
  ['by name, but another algorithm', [es1, es2, ed], 'ed', 'ES256', 'mismatch'],
  ['by name, never by algorithm instead', [es1, ed], 'es-2', 'ES256', 'unknown'],
  ['by a part of a name', [es1], 'es', 'ES256', 'unknown'],
  ['by an empty name', [es1], '', 'ES256', 'unknown'],
  ['by what objects inherit', [es1], '__proto__', 'ES256', 'unknown'],
  ['without a name, one of the algorithm', [es1, ed], undefined, 'ES256', es1],
  ['without a name, two of the algorithm', [es1, es2, ed], undefined, 'ES256', 'ambiguous'],
  ['without a name, none of the algorithm', [es1, ed], undefined, 'RS256', 'mismatch'],
  ['by a name among keys without', [namelessEs, namelessEd], 'any', 'ES256', namelessEs],
  [
    'by a name among keys without, two of the algorithm',
    [namelessEs, namelessEs2],
    'any',
    'ES256',
    'ambiguous',
  ],
  ['by a name among keys without, none of the algorithm', [namelessEs], 'any', 'RS256', 'mismatch'],
  ['by name beside a key without', [es1, namelessEs], 'es-1', 'ES256', es1],
  ['by another name beside a key without', [es1, namelessEs], 'es-2', 'ES256', namelessEs],
  ['without a name, among both kinds', [es1, namelessEs], undefined, 'ES256', 'ambiguous'],
  ['the secret', [secret], undefined, 'HS256', secret],
  ['none, where the header says so', [secret], undefined, 'none', 'mismatch'],
  ['in an empty set', [], 'es-1', 'ES256', 'unknown'],
  ['without a name in an empty set', [], undefined, 'ES256', 'unknown'],
] as const) {
  test(`found ${what}: ${typeof expected === 'string' ? expected : 'one key'}`, () => {
    assert.equal(createKeySet(keys).find(kid, alg, 0), expected)
  })
}

test('replacing keys counts as a change, and keys that stay are the same objects', () => {
  const keySet = createKeySet([es1, ed])
  const { generation } = keySet
  const again = readJwk(es1Jwk)
  assert.notEqual(again, es1)
  keySet.replace([again, es2])
  assert.notEqual(keySet.generation, generation)
  assert.equal(keySet.find('es-1', 'ES256', 0), es1)
  assert.equal(keySet.find('ed', 'Ed25519', 0), 'unknown')
  assert.deepEqual(keySet.keys, [es1, es2])
  assert.ok(Object.isFrozen(keySet.keys))
})

test('a replacement that is refused changes nothing', () => {
  const keySet = createKeySet([es1])
  const { generation } = keySet
  assert.throws(() => keySet.replace([es2, es2]), { code: 'key-invalid' })
  assert.throws(() => keySet.replace([es2, {} as VerificationKey]), { code: 'key-invalid' })
  assert.equal(keySet.generation, generation)
  assert.equal(keySet.find('es-1', 'ES256', 0), es1)
})

test('a set at hand never has to be fetched', async () => {
  const keySet = createKeySet([])
  assert.equal(keySet.checkAfterMs, Number.POSITIVE_INFINITY)
  await keySet.load(0)
})

for (const [what, keys] of [
  ['two keys of one name', [es1, readJwk(jwkOf('Ed25519', 'es-1'))]],
  ['a secret beside a public key', [es1, secret]],
  ['a JWK', [jwkOf('ES256', 'k')]],
  ['a look-alike', [{ ...es1, verifies: () => true }]],
  ['one key, not in a list', es1],
  ['a text', 'secret'],
  ['nothing', undefined],
] as const) {
  test(`a set of ${what} is refused`, () => {
    assert.throws(() => createKeySet(keys as readonly VerificationKey[]), { code: 'key-invalid' })
  })
}

test('what was not found is a denial', () => {
  assert.equal(keyDenial('unknown').reason, 'key-unknown')
  assert.equal(keyDenial('ambiguous').reason, 'key-unknown')
  assert.equal(keyDenial('mismatch').reason, 'algorithm-mismatch')
  assert.ok(Object.isFrozen(keyDenial('mismatch')))
  // A look-up that is not ours may give anything.
  for (const odd of [undefined, null, '', 'constructor'] as unknown as 'unknown'[]) {
    assert.equal(keyDenial(odd).reason, 'key-unknown')
  }
})
