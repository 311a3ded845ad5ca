import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chainEntries, emptyChain, verifyChain } from './audit-chain.ts'
import type { AuditEntry, AuditRecord } from './store.ts'

const entry = (subject: string): AuditEntry => ({
  atMs: 1_800_000_000_000,
  actor: 'client ops',
  action: 'client.created',
  subject,
  outcome: 'done',
  detail: '{"name":"Zoë"}',
})
const records = chainEntries(emptyChain, ['a', 'b', 'c', 'd'].map(entry))

test('a chain is whole, in one piece and in several', () => {
  const verdict = verifyChain(emptyChain, records)
  assert.deepEqual(verdict, { kind: 'whole', head: { sequence: 4, hash: records[3]!.hash } })
  const half = verifyChain(emptyChain, records.slice(0, 2))
  assert.ok(half.kind === 'whole')
  assert.deepEqual(verifyChain(half.head, records.slice(2)), verdict)
  assert.deepEqual(verifyChain(emptyChain, []), { kind: 'whole', head: { sequence: 0, hash: '' } })
})

test('the bytes that are hashed stay what they are', () => {
  // A change of form would make every log that exists look forged.
  assert.equal(records[0]!.hash, '47-Wqc_PVY6i1Ep2FCpV14RxKZq00zoV55_v8pdLuO0')
})

test('appending piece by piece gives the same chain', () => {
  const first = chainEntries(emptyChain, [entry('a')])
  assert.deepEqual([...first, ...chainEntries(first[0]!, ['b', 'c', 'd'].map(entry))], records)
})

const changed: Partial<AuditRecord>[] = [
  { atMs: 1_800_000_000_001 },
  { actor: 'client other' },
  { action: 'client.removed' },
  { subject: 'x' },
  { outcome: 'refused' },
  { detail: '{"name":"Zoe"}' },
  { hash: records[0]!.hash },
]
for (const change of changed) {
  test(`finds a record with another ${Object.keys(change)[0]}`, () => {
    for (const at of [0, 1, 3]) {
      if (change.hash !== undefined && at === 0) continue
      const forged = records.map((record, index) => (index === at ? { ...record, ...change } : record))
      const verdict = verifyChain(emptyChain, forged)
      assert.ok(verdict.kind === 'broken')
      assert.equal(verdict.sequence, at + 1)
    }
  })
}

test('finds a record that was taken out, put in, moved or repeated', () => {
  const [a, b, c, d] = records as [AuditRecord, AuditRecord, AuditRecord, AuditRecord]
  for (const forged of [
    [b, c, d],
    [a, c, d],
    [a, c, b, d],
    [a, b, b, c, d],
    [b, a, c, d],
    [a, b, d, c],
  ]) {
    assert.equal(verifyChain(emptyChain, forged).kind, 'broken')
  }
  // Numbered anew, so that only the hashes can tell.
  const renumbered = [a, c, d].map((record, index) => ({ ...record, sequence: index + 1 }))
  assert.equal(verifyChain(emptyChain, renumbered).kind, 'broken')
})

test('a chain that is cut off at its end shows only in its head', () => {
  const verdict = verifyChain(emptyChain, records.slice(0, 3))
  assert.deepEqual(verdict, { kind: 'whole', head: { sequence: 3, hash: records[2]!.hash } })
})
