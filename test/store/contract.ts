import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isProblem } from '@countersign/sdk/core'
import type { KeyRecord, Store } from '../../packages/server/src/store/store.ts'

/**
 * Test support: what every store must do, run by each driver's own test file.
 *
 * @param open gives a new, empty store each time.
 * @param options.skip why this store cannot be tested here.
 */
export function storeContract(
  name: string,
  open: () => Promise<Store>,
  options: { skip?: string } = {},
): void {
  const contract = (title: string, body: (store: Store) => Promise<void>): void => {
    test(`${name}: ${title}`, options, async () => {
      const store = await open()
      try {
        await body(store)
      } finally {
        await store.close()
      }
    })
  }

  contract('a new ring is empty at version 0', async (store) => {
    assert.deepEqual({ ...(await store.readRing()) }, { version: 0, keys: [] })
  })

  contract('keeps every field of every record, in order', async (store) => {
    const keys = [keyRecord('first', { retired: { atMs: 9, because: 'removed' } }), keyRecord('second')]
    assert.equal(await store.replaceRing(0, keys), true)
    assert.deepEqual(await store.readRing(), { version: 1, keys })

    const fewer = [keyRecord('first', { sealedKey: undefined, retired: { atMs: 9, because: 'rotated' } })]
    assert.equal(await store.replaceRing(1, fewer), true)
    assert.deepEqual(await store.readRing(), { version: 2, keys: fewer })
  })

  contract(
    'what was read does not change with a later write, nor with the array that was given',
    async (store) => {
      const keys = [keyRecord('first')]
      await store.replaceRing(0, keys)
      keys.push(keyRecord('never given'))
      const before = await store.readRing()
      await store.replaceRing(1, [keyRecord('second')])
      assert.deepEqual(before, { version: 1, keys: [keyRecord('first')] })
    },
  )

  contract('refuses a replacement that is based on an old version, and changes nothing', async (store) => {
    await store.replaceRing(0, [keyRecord('winner')])
    assert.equal(await store.replaceRing(0, [keyRecord('loser')]), false)
    assert.equal(await store.replaceRing(2, [keyRecord('dreamer')]), false)
    assert.deepEqual(await store.readRing(), { version: 1, keys: [keyRecord('winner')] })
  })

  contract('of simultaneous replacements exactly one wins', async (store) => {
    const names = Array.from({ length: 8 }, (_, index) => `replica-${index}`)
    const outcomes = await Promise.all(names.map((id) => store.replaceRing(0, [keyRecord(id)])))
    assert.equal(outcomes.filter(Boolean).length, 1)
    const ring = await store.readRing()
    assert.deepEqual(
      ring.keys.map((key) => key.keyId),
      [names[outcomes.indexOf(true)]],
    )
  })

  contract('an id is new once per scope', async (store) => {
    assert.equal(await store.putOnce('orders', 'a', 2000, 1000), true)
    assert.equal(await store.putOnce('orders', 'a', 2000, 1000), false)
    assert.equal(await store.putOnce('orders', 'b', 2000, 1000), true)
    assert.equal(await store.putOnce('billing', 'a', 2000, 1000), true)
  })

  contract('scope and id do not run into each other', async (store) => {
    assert.equal(await store.putOnce('a b', 'c', 2000, 1000), true)
    assert.equal(await store.putOnce('a', 'b c', 2000, 1000), true)
    assert.equal(await store.putOnce('', 'a b c', 2000, 1000), true)
  })

  contract('keeps any text exactly', async (store) => {
    const odd = `'; DROP TABLE replay_mark; -- "ü\u{1f511}%`
    assert.equal(await store.putOnce(odd, odd, 2000, 1000), true)
    assert.equal(await store.putOnce(odd, odd, 2000, 1000), false)
    assert.equal(await store.putOnce(odd, odd.toUpperCase(), 2000, 1000), true)
  })

  contract('a mark counts to its last millisecond and may be set anew after it', async (store) => {
    await store.putOnce('orders', 'a', 2000, 1000)
    assert.equal(await store.putOnce('orders', 'a', 3000, 2000), false)
    assert.equal(await store.putOnce('orders', 'a', 3000, 2001), true)
    assert.equal(await store.putOnce('orders', 'a', 9000, 3000), false)
    assert.equal(await store.putOnce('orders', 'a', 9000, 3001), true)
  })

  contract('of simultaneous uses of one id exactly one is the first', async (store) => {
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => store.putOnce('orders', 'a', 2000, 1000)),
    )
    assert.equal(outcomes.filter(Boolean).length, 1)
  })

  contract('sweeping drops the expired marks only', async (store) => {
    await store.putOnce('orders', 'old', 2000, 1000)
    await store.putOnce('orders', 'edge', 3000, 1000)
    await store.putOnce('orders', 'young', 4000, 1000)
    assert.deepEqual(await store.sweep(3000), { dropped: 1 })
    assert.equal(await store.putOnce('orders', 'edge', 9000, 3000), false)
    assert.equal(await store.putOnce('orders', 'young', 9000, 3000), false)
    assert.equal(await store.putOnce('orders', 'old', 9000, 3000), true)
  })

  contract('answers a ping, and nothing once closed', async (store) => {
    await store.ping()
    await store.close()
    await store.close()
    for (const use of [
      () => store.ping(),
      () => store.readRing(),
      () => store.replaceRing(0, []),
      () => store.putOnce('orders', 'a', 2000, 1000),
      () => store.sweep(1000),
    ]) {
      await assert.rejects(use, (error) => isProblem(error) && error.code === 'store-unavailable')
    }
  })
}

/** A record for tests; its sealed key is no key. */
export function keyRecord(keyId: string, fields: Partial<KeyRecord> = {}): KeyRecord {
  return {
    keyId,
    algorithm: 'ES256',
    sealedKey: `sealed ${keyId}`,
    announcedAtMs: 1_800_000_000_000,
    activeFromMs: 1_800_000_360_000,
    longestTokenSeconds: 300,
    longestCacheSeconds: 300,
    retired: undefined,
    ...fields,
  }
}
