import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryRevocations } from './memory-revocations.ts'
import { revocationRecord } from '../../../../test/store/revocation-contract.ts'

// What it has in common with the other stores is in the contract that memory.test.ts runs.

const open = (): ReturnType<typeof createMemoryRevocations> =>
  createMemoryRevocations(
    () => {},
    () => {},
  )

test('a list that begins anew goes on above the one before', async () => {
  const before = open()
  await before.writeRevocation(revocationRecord('token', 'a'), {
    nowMs: Date.now() - 1000,
    most: 9,
    mostOfOne: 9,
  })
  const version = (await before.readRevocations(0))?.version
  await new Promise((resolve) => setTimeout(resolve, 5)) // no process starts faster
  assert.ok((await open().readRevocations(0))!.version >= version!)
})

test('drops no more than it is told', async () => {
  const revocations = open()
  for (const id of ['a', 'b', 'c']) {
    const record = revocationRecord('token', id, { expiresAtMs: 2000 })
    await revocations.writeRevocation(record, { nowMs: 1000, most: 9, mostOfOne: 9 })
  }
  assert.equal(revocations.drop(3000, 2), 2)
  assert.equal(revocations.drop(3000, 2), 1)
})
