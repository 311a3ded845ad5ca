import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import type { Algorithm } from './algorithms.ts'
import { readJwks } from './jwks.ts'
import { generateSigningKey, publicJwk } from './key-readers.ts'
import type { Jwk } from './jwk.ts'

const jwkOf = (algorithm: Algorithm, kid: string): Jwk =>
  publicJwk(generateSigningKey(algorithm, { keyId: kid }))
const without = (jwk: Jwk, member: string): Jwk => ({ ...jwk, [member]: undefined })

test('a published set: keys for signatures are read, everything else is left out', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
  const keys = readJwks({
    keys: [
      jwkOf('ES256', 'good'),
      { ...jwkOf('RS256', 'encrypts'), use: 'enc' },
      { ...jwkOf('RS256', 'wraps'), alg: 'RSA-OAEP' },
      { ...jwkOf('ES256', 'agrees'), key_ops: ['deriveBits'] },
      { kty: 'future', kid: 'future', x: 'y' },
      { ...rsa, alg: 'RS256', kid: 'weak' },
      without(jwkOf('RS256', 'which of six'), 'alg'),
      { ...jwkOf('ES256', 'no use'), use: undefined },
      null,
      'text',
      [],
    ],
    more: 'members',
  })
  assert.deepEqual(
    keys.map((key) => key.keyId),
    ['good', 'no use'],
  )
})

test('a published set: the allowed algorithms choose, and leave out', () => {
  const keys = [jwkOf('ES256', 'es'), without(jwkOf('RS256', 'rs'), 'alg'), jwkOf('PS256', 'ps')]
  const algorithms = (allowed?: Algorithm[]): string[] =>
    readJwks({ keys }, allowed === undefined ? {} : { algorithms: allowed }).map(
      (key) => `${key.keyId} ${key.algorithm}`,
    )
  assert.deepEqual(algorithms(), ['es ES256', 'ps PS256'])
  assert.deepEqual(algorithms(['RS256', 'ES256']), ['es ES256', 'rs RS256'])
  assert.deepEqual(algorithms(['RS256', 'RS512']), [])
  assert.deepEqual(algorithms([]), [])
})

test('a key of a name that another one, left out, has as well is read', () => {
  const keys = [jwkOf('ES256', 'k'), { ...jwkOf('RS256', 'k'), use: 'enc' }]
  assert.equal(readJwks({ keys }).length, 1)
})

for (const [what, document] of [
  ['no object', null],
  ['a list', [jwkOf('ES256', 'k')]],
  ['no keys', {}],
  ['keys in an object', { keys: { 0: jwkOf('ES256', 'k') } }],
  ['more than 100 keys', { keys: Array.from({ length: 101 }, () => ({ kty: 'future' })) }],
  ['two keys of one name', { keys: [jwkOf('ES256', 'k'), jwkOf('Ed25519', 'k')] }],
  ['a secret', { keys: [jwkOf('ES256', 'k'), { kty: 'oct', k: 'AQ' }] }],
  ['a private key', { keys: [{ ...jwkOf('ES256', 'k'), d: 'AQ' }] }],
  ['a private key for encryption', { keys: [{ ...jwkOf('RS256', 'k'), use: 'enc', d: 'AQ' }] }],
  ['a private ML-DSA key', { keys: [{ kty: 'AKP', alg: 'ML-DSA-44', priv: 'AQ' }] }],
] as const) {
  test(`a published set with ${what} is refused`, () => {
    assert.throws(() => readJwks(document, { where: 'issuer' }), {
      code: 'key-invalid',
      message: /^issuer: /,
    })
  })
}

test('a published set of 100 keys is read', () => {
  const jwk = without(jwkOf('ES256', 'k'), 'kid')
  assert.equal(readJwks({ keys: Array.from({ length: 100 }, () => jwk) }).length, 100)
})

test('reading a published set refuses unknown options and algorithms', () => {
  assert.throws(() => readJwks({ keys: [] }, { algs: [] } as never), { code: 'option-unknown' })
  assert.throws(() => readJwks({ keys: [] }, { algorithms: ['none' as Algorithm] }), {
    code: 'option-invalid',
  })
})
