import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from '../metrics/registry.ts'
import { measuredStore } from './measured.ts'
import { createMemoryStore } from './memory.ts'

test('does what the store does, and counts it', async () => {
  const metrics = createMetrics()
  const plain = createMemoryStore()
  const store = measuredStore(plain, metrics)
  assert.deepEqual(Object.keys(store).sort(), Object.keys(plain).sort())
  assert.equal(store.kind, 'memory')
  assert.equal(await store.putOnce('s', 'id', 2000, 1000), true)
  assert.equal(await store.putOnce('s', 'id', 2000, 1000), false)
  assert.equal((await store.readRing()).version, 0)
  assert.match(metrics.text(), /^countersign_store_duration_seconds_count\{operation="putOnce"\} 2$/m)
  assert.match(metrics.text(), /^countersign_store_failures_total\{operation="putOnce"\} 0$/m)
  await store.close()
})

test('a failure stays what it is, and is counted', async () => {
  const metrics = createMetrics()
  const broken = new Error('no')
  const store = measuredStore({ ...createMemoryStore(), ping: () => Promise.reject(broken) }, metrics)
  await assert.rejects(store.ping(), broken)
  assert.match(metrics.text(), /^countersign_store_failures_total\{operation="ping"\} 1$/m)
})
