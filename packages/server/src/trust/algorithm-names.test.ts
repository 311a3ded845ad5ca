import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAlgorithm, supportedAlgorithms } from '@countersign/sdk/jwt'
import { allAlgorithms, isSecretAlgorithm, secretBytes, signingAlgorithms } from './algorithm-names.ts'

test('the file knows exactly the algorithms of the verifier', () => {
  const here: readonly string[] = [...allAlgorithms].sort()
  // A runtime without ML-DSA computes fewer than there are names for.
  assert.ok(supportedAlgorithms().every((name) => here.includes(name)))
  assert.ok(here.every(isAlgorithm))
  assert.deepEqual(here, [...new Set([...signingAlgorithms, ...Object.keys(secretBytes)])].sort())
})

test('our issuer never signs with a shared secret', () => {
  assert.ok(!signingAlgorithms.some(isSecretAlgorithm))
})
