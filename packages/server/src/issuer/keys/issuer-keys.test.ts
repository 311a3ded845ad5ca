import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { isProblem, Secret } from '@countersign/sdk/core'
import { silentLog } from '../../log.ts'
import { createMemoryStore } from '../../store/memory.ts'
import type { Store } from '../../store/store.ts'
import type { IssuerSettings } from '../../trust/trust.ts'
import { settings } from '../../../../../test/issuer/fixture.ts'
import { issuerTiming, openIssuerKeys } from './issuer-keys.ts'

test('a memory store needs no seal', async () => {
  assert.match(await sealedAs(createMemoryStore(), {}), /^plain-1\./)
})

test('a store that keeps things needs a seal, or the danger written out', async () => {
  const seal = new Secret(randomBytes(32))
  assert.match(await sealedAs(diskStore(), { seal }), /^sealed-1\./)
  assert.match(await sealedAs(diskStore(), { dangerouslyUnsealed: true }), /^plain-1\./)
  await assert.rejects(sealedAs(diskStore(), {}), (error) => {
    assert.ok(isProblem(error))
    assert.equal(error.code, 'seal-missing')
    assert.match(error.message, /issuer\.keys\.seal/)
    assert.match(error.next ?? '', /openssl rand/)
    return true
  })
})

test('a weak seal and unsafe numbers are refused before anything is written', async () => {
  const store = diskStore()
  await assert.rejects(sealedAs(store, { seal: new Secret(randomBytes(8)) }), { code: 'seal-weak' })
  await assert.rejects(sealedAs(store, { dangerouslyUnsealed: true, rotateEverySeconds: 600 }), {
    code: 'rotation-unsafe',
  })
  assert.equal((await store.readRing()).version, 0)
})

test('the timing is the settings’, with another cache life if one is given', () => {
  const { rotateEverySeconds, tokenLifetimeSeconds, cacheSeconds } = issuerTiming(
    settings('https://issuer.example'),
  )
  assert.deepEqual([rotateEverySeconds, tokenLifetimeSeconds, cacheSeconds], [36_000, 300, 300])
  assert.equal(issuerTiming(settings('https://issuer.example'), 60).cacheSeconds, 60)
})

/** How the first key of a ring lies in the store. */
async function sealedAs(store: Store, keys: Partial<IssuerSettings['keys']>): Promise<string> {
  const base = settings('https://issuer.example')
  const ring = await openIssuerKeys({
    settings: { ...base, keys: { ...base.keys, ...keys } },
    store,
    clock: () => 1_800_000_000_000,
    log: silentLog,
  })
  await ring.close()
  return (await store.readRing()).keys[0]?.sealedKey ?? ''
}

/** A memory store that says it keeps things on disk. */
function diskStore(): Store {
  return { ...createMemoryStore(), kind: 'sqlite' }
}
