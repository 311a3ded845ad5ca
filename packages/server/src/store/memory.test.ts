import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStore } from './memory.ts'
import { storeContract } from '../../../../test/store/contract.ts'

storeContract('memory', async () => createMemoryStore())

test('one sweep of the memory store drops no more than its limit', async () => {
  const store = createMemoryStore({ sweepLimit: 10 })
  for (let index = 0; index < 15; index++) await store.putOnce('orders', `${index}`, 2000, 1000)
  assert.deepEqual(await store.sweep(9000), { dropped: 10 })
  assert.deepEqual(await store.sweep(9000), { dropped: 5 })
})
