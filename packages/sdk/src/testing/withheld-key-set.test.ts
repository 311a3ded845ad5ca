import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateSigningKey, verificationKey } from '../jwt/key-readers.ts'
import { WithheldKeySet } from './withheld-key-set.ts'

test('keys that are withheld are not found and not loaded, and come back', async () => {
  const key = verificationKey(generateSigningKey('ES256'))
  const set = new WithheldKeySet('https://issuer.test', [key])
  const find = () => set.find(key.keyId, 'ES256', 0)
  assert.equal(find(), key)
  await set.load()
  set.withhold(true)
  assert.equal(find(), 'fetch')
  assert.ok(set.checkAfterMs < 0, 'also those who remember a token have to ask')
  await assert.rejects(set.load(), { code: 'keys-unavailable', retryAfterSeconds: 1 })
  set.withhold(false)
  assert.equal(find(), key)
  const { generation } = set
  set.replace([])
  assert.equal(find(), 'unknown')
  assert.notEqual(set.generation, generation)
})
