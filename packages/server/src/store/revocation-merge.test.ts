import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergeRevocations } from './revocation-merge.ts'
import type { RevocationRecord } from './store.ts'

const known: RevocationRecord = {
  kind: 'subject',
  id: 'alice',
  issuedBeforeSeconds: 100,
  revokedAtMs: 1,
  expiresAtMs: 500,
  by: undefined,
}

test('what is covered changes nothing', () => {
  assert.equal(mergeRevocations(known, known), undefined)
  const weaker = { ...known, issuedBeforeSeconds: 99, expiresAtMs: 499 }
  assert.equal(mergeRevocations(known, weaker), undefined)
})

test('each date is the later one of both', () => {
  const merged = mergeRevocations(known, { ...known, issuedBeforeSeconds: 120, expiresAtMs: 400 })
  assert.deepEqual([merged?.issuedBeforeSeconds, merged?.expiresAtMs], [120, 500])
  const other = mergeRevocations(known, { ...known, issuedBeforeSeconds: 80, expiresAtMs: 600 })
  assert.deepEqual([other?.issuedBeforeSeconds, other?.expiresAtMs], [100, 600])
})

test('all tokens are more than those issued before a moment', () => {
  const all = { ...known, issuedBeforeSeconds: undefined }
  assert.equal(mergeRevocations(known, all)?.issuedBeforeSeconds, undefined)
  assert.equal(mergeRevocations(all, known), undefined)
})
