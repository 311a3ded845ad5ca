import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  algorithmRow,
  algorithms,
  isAlgorithm,
  refuseUnknownAlgorithms,
  supportedAlgorithms,
} from './algorithms.ts'
import type { Algorithm } from './algorithms.ts'
import { generateSigningKey } from './key-readers.ts'

for (const name of Object.keys(algorithms)) {
  test(`${name} is known by exactly this name`, () => {
    assert.ok(isAlgorithm(name))
    for (const other of [name.toLowerCase(), ` ${name}`, `${name} `, `${name}\0`, name.slice(0, -1)]) {
      assert.ok(other === name || !isAlgorithm(other), JSON.stringify(other))
    }
  })
}

for (const name of [
  ...['none', 'None', 'NONE', 'nOnE', '', 'RSA1_5', 'dir', 'A256GCM', 'RSA-OAEP', 'ES256K', 'ES521', 'HS1'],
  ...[
    'toString',
    'constructor',
    '__proto__',
    'hasOwnProperty',
    undefined,
    null,
    7,
    ['ES256'],
    { alg: 'ES256' },
  ],
]) {
  test(`${JSON.stringify(name) ?? 'undefined'} is no algorithm`, () => {
    assert.equal(isAlgorithm(name), false)
  })
}

for (const algorithm of supportedAlgorithms()) {
  test(`${algorithm}: signatures are as long as its row says`, () => {
    const row = algorithmRow(algorithm)
    const length = Buffer.from(generateSigningKey(algorithm).signs('text'), 'base64url').length
    // A 2048-bit key, and an EdDSA key on Ed25519.
    const expected = row.signatureBytes || (row.family === 'rsa' ? 256 : 64)
    assert.equal(length, expected)
  })
}

test('every algorithm but ML-DSA is supported everywhere', () => {
  const missing = Object.keys(algorithms).filter((name) => !supportedAlgorithms().includes(name as Algorithm))
  assert.deepEqual(
    missing.filter((name) => !name.startsWith('ML-DSA')),
    [],
  )
})

test('a secret is as long as its hash, and so is the salt of PSS', () => {
  for (const bits of ['256', '384', '512'] as const) {
    assert.equal(algorithmRow(`HS${bits}`).minSecretBytes, Number(bits) / 8)
    assert.equal(algorithmRow(`PS${bits}`).saltBytes, Number(bits) / 8)
    for (const family of ['HS', 'RS', 'PS', 'ES'] as const) {
      assert.equal(algorithmRow(`${family}${bits}`).hash, `sha${bits}`)
    }
  }
})

test('a list of algorithms holds known ones, or is none', () => {
  refuseUnknownAlgorithms('here', undefined)
  refuseUnknownAlgorithms('here', ['ES256', 'RS256'])
  for (const listed of [['ES256', 'none'], 'ES256', [undefined], {}, null]) {
    assert.throws(() => refuseUnknownAlgorithms('here', listed as unknown as Algorithm[]), {
      code: 'option-invalid',
      message: 'here: algorithms must be a list of known algorithms',
    })
  }
})
