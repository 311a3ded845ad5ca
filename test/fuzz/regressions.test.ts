import { test } from 'node:test'
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { inspectToken, jwkThumbprint, readJwk, readJwks, readPrivateJwk } from '@countersign/sdk/jwt'
import type { Jwk } from '@countersign/sdk/jwt'
import { parseStrictJson } from '../../packages/sdk/src/core/json.ts'

// What the long runs found, each as small as it gets.

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const publicJwk = { ...rsa.publicKey.export({ format: 'jwk' }), alg: 'RS256', kid: 'a' } as Jwk
const privateJwk = { ...rsa.privateKey.export({ format: 'jwk' }), alg: 'RS256', kid: 'a' } as Jwk

test('a name with an escape is not taken for one that was read before', () => {
  JSON.parse('{"exp":1,"aud":2,"iss":3,"act":4,"\\\\":0}')
  const read = parseStrictJson('{"exp":1,"aud":2,"iss":3,"act":4,"\\/":0}')
  assert.ok(typeof read === 'object')
  assert.deepEqual(Object.keys(read), ['exp', 'aud', 'iss', 'act', '/'])
})

test('a private key whose numbers do not fit is no error of OpenSSL', () => {
  assert.equal(readPrivateJwk(privateJwk).algorithm, 'RS256')
  const problem = { name: 'Problem', code: 'key-invalid' }
  assert.throws(() => readPrivateJwk({ ...privateJwk, qi: privateJwk['d'] }), problem)
  assert.throws(() => readPrivateJwk({ ...privateJwk, e: 'Aw' }), problem)
})

test('a member that cannot become text is no TypeError', () => {
  for (const odd of [{ toString: 1, valueOf: 1 }, Object.create(null) as object]) {
    assert.equal(readJwk({ ...publicJwk, crv: odd }).algorithm, 'RS256')
    assert.equal(readJwks({ keys: [{ ...publicJwk, crv: odd }] }).length, 1)
    assert.throws(() => readJwk({ ...publicJwk, kty: odd }), { name: 'Problem', code: 'key-invalid' })
  }
})

test('a kty that every object has is no TypeError', () => {
  for (const kty of ['constructor', 'toString', '__proto__']) {
    assert.throws(() => jwkThumbprint({ ...publicJwk, kty }), { name: 'Problem', code: 'key-invalid' })
  }
})

test('what is no text is inspected all the same', () => {
  for (const token of [undefined, null, 7, {}, []]) {
    assert.deepEqual(inspectToken(token as unknown as string).problems, ['not a string'])
  }
})
