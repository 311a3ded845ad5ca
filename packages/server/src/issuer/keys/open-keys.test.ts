import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateSigningKey, privateJwk } from '@countersign/sdk/jwt'
import type { KeyRecord } from '../../store/store.ts'
import { dangerouslyUnsealed } from './key-seal.ts'
import { OpenKeys } from './open-keys.ts'
import { viewRing } from './rotate.ts'
import type { FreshKey } from './rotate.ts'
import { rotationTiming } from './rotation-timing.ts'

const timing = rotationTiming({ rotateEverySeconds: 36_000, tokenLifetimeSeconds: 300 })

test('a fresh key is the same one until a record holds it', () => {
  const keys = new OpenKeys(dangerouslyUnsealed)
  const first = keys.fresh('ES256')
  assert.equal(keys.fresh('ES256'), first)
  keys.open([record(first)])
  assert.notEqual(keys.fresh('ES256').keyId, first.keyId)
})

test('a fresh key is signed with as it is, and opens again from its record', () => {
  const keys = new OpenKeys(dangerouslyUnsealed)
  const made = record(keys.fresh('ES256'))
  keys.open([made])
  const other = new OpenKeys(dangerouslyUnsealed)
  other.open([made])
  const view = viewRing([made], 0, timing)
  assert.deepEqual(keys.publish(view).jwks, other.publish(view).jwks)
  assert.equal(keys.signer(made).keyId, made.keyId)
})

test('keys whose record lost its private half are let go', () => {
  const keys = new OpenKeys(dangerouslyUnsealed)
  const made = record(keys.fresh('ES256'))
  keys.open([made])
  keys.forgetExcept([{ ...made, sealedKey: undefined }])
  assert.throws(() => keys.signer(made), { code: 'key-invalid' })
})

test('a sealed key of another algorithm than its record says is refused', () => {
  const key = generateSigningKey('ES384')
  const label = { keyId: key.keyId, algorithm: 'ES256' }
  const sealedKey = dangerouslyUnsealed.seal(privateJwk(key), label)
  assert.throws(() => new OpenKeys(dangerouslyUnsealed).open([record({ ...label, sealedKey })]), {
    code: 'key-invalid',
  })
})

test('a live record without its private half is refused when it is to be published', () => {
  const keys = new OpenKeys(dangerouslyUnsealed)
  const bare = { ...record(keys.fresh('ES256')), sealedKey: undefined }
  keys.open([bare])
  assert.throws(() => keys.publish(viewRing([bare], 0, timing)), { code: 'key-invalid' })
})

function record(fresh: FreshKey): KeyRecord {
  return {
    ...fresh,
    announcedAtMs: 0,
    activeFromMs: 0,
    longestTokenSeconds: 300,
    longestCacheSeconds: 300,
    retired: undefined,
  }
}
