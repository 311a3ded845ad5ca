import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { letters, managedText, mintClientId, mintSecret, readManaged } from './managed-client.ts'

test('a client is read as it was written', () => {
  const { kept } = mintSecret(1000)
  const client = {
    name: 'Zoë’s shop',
    disabled: false,
    settings: { may: { billing: { roles: ['reader'] } } },
    secrets: [kept],
    createdAtMs: 1000,
    changedAtMs: 2000,
  }
  const read = readManaged({ id: 'c1', revision: 3, settings: managedText(client) })
  assert.deepEqual(read, { id: 'c1', revision: 3, ...client })
})

test('a text that is none of ours is not read', () => {
  assert.throws(() => readManaged({ id: 'c1', revision: 1, settings: '{"name' }), {
    code: 'store-unavailable',
  })
})

test('of a secret only its digest is kept', () => {
  const { secret, kept } = mintSecret(1000)
  assert.match(secret.revealText(), /^[A-Za-z0-9]{44}$/)
  assert.ok(Math.log2(62 ** 44) > 256)
  assert.equal(kept.digest, createHash('sha256').update(secret.revealText()).digest('base64url'))
  assert.ok(!JSON.stringify(kept).includes(secret.revealText()))
  assert.notEqual(mintSecret(1000).kept.digest, kept.digest)
})

test('ids are client ids, and do not repeat', () => {
  const ids = new Set(Array.from({ length: 1000 }, mintClientId))
  assert.equal(ids.size, 1000)
  for (const id of ids) assert.match(id, /^c[A-Za-z0-9]{21}$/)
})

test('every letter is as likely as any other', () => {
  const counts = new Map<string, number>()
  for (const letter of letters(62_000)) counts.set(letter, (counts.get(letter) ?? 0) + 1)
  assert.equal(counts.size, 62)
  // Seven standard deviations: a fair draw fails this once in ten billion runs, a biased one always.
  for (const [letter, count] of counts) assert.ok(Math.abs(count - 1000) < 7 * 32, `${letter}: ${count}`)
})
