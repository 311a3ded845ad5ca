import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Problem } from '@countersign/sdk/core'
import { silentLog } from '../log.ts'
import { createMemoryStore } from '../store/memory.ts'
import { startSweeping } from './sweep.ts'

test('what counts no longer is dropped, however much there is; what counts stays', async () => {
  const store = createMemoryStore({ sweepLimit: 2 })
  for (let index = 0; index < 5; index++) await store.putOnce('s', `old ${index}`, 1000, 1000)
  await store.putOnce('s', 'young', 9000, 1000)
  const swept: number[] = []
  const watched = {
    sweep: async (nowMs: number) => {
      const outcome = await store.sweep(nowMs)
      swept.push(outcome.dropped)
      return outcome
    },
  }
  const stop = startSweeping({ store: watched, clock: () => 2000, log: silentLog, everyMs: 5 })
  while (swept.length < 4) await sleep(5)
  await stop()
  assert.deepEqual(swept.slice(0, 4), [2, 2, 1, 0])
  assert.equal(await store.putOnce('s', 'young', 9000, 2000), false)
})

test('requests come in between, although a store sweeps within one turn', async () => {
  let swept = 0
  const between: number[] = []
  const stop = startSweeping({
    store: { sweep: async () => ({ dropped: ++swept < 20 ? 1 : 0 }) },
    clock: () => 0,
    log: silentLog,
    everyMs: 1,
  })
  while (swept < 20) {
    between.push(swept)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await stop()
  assert.ok(
    between.some((count) => count > 0 && count < 20),
    between.join(),
  )
})

test('a store that is down is told of and asked again', async () => {
  let asked = 0
  const warned: string[] = []
  const stop = startSweeping({
    store: {
      async sweep() {
        asked++
        throw new Problem('store-unavailable', 'gone')
      },
    },
    clock: () => 0,
    log: {
      ...silentLog,
      warn: (event, fields) => void warned.push(`${event} ${String(fields?.['message'])}`),
    },
    everyMs: 5,
  })
  while (asked < 2) await sleep(5)
  await stop()
  const before = asked
  await sleep(20)
  assert.equal(asked, before)
  assert.equal(warned[0], 'store.sweep-failed gone')
})
