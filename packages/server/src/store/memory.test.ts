import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStore } from './memory.ts'
import { sweepLimit } from './store.ts'
import { storeContract } from './store-contract.ts'

storeContract('memory', async () => createMemoryStore())

test('one sweep of the memory store drops no more than its limit', async () => {
  const store = createMemoryStore()
  for (let index = 0; index < sweepLimit + 5; index++) await store.putOnce('orders', `${index}`, 2000, 1000)
  assert.deepEqual(await store.sweep(9000), { dropped: sweepLimit })
  assert.deepEqual(await store.sweep(9000), { dropped: 5 })
})
