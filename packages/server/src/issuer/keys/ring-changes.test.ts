import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { Problem, Secret } from '@countersign/sdk/core'
import { createVerifier, generateSigningKey, publicJwk } from '@countersign/sdk/jwt'
import type { SigningKey } from '@countersign/sdk/jwt'
import { createMemoryStore } from '../../store/memory.ts'
import type { Store } from '../../store/store.ts'
import { createExternalKeys } from './external-keys.ts'
import type { ExternalKeys } from './external-keys.ts'
import { openKeyRing } from './key-ring.ts'
import type { KeyRing } from './key-ring.ts'
import { createKeySeal } from './key-seal.ts'
import { overlapSeconds, rotationTiming } from './rotation-timing.ts'

// A ring whose keys are held elsewhere. What a ring does with its own keys stands in key-ring.test.ts.

const timing = rotationTiming({ rotateEverySeconds: 36_000, tokenLifetimeSeconds: 300 })
const start = 1_800_000_000_000
const takeover = start + 1000 * timing.rotateEverySeconds
const announcement = takeover - 1000 * timing.leadSeconds
const seal = createKeySeal(new Secret(randomBytes(32)))

test('the first key is the first on offer, and its tokens verify', async () => {
  const opened = await open({ elsewhere: ['a', 'b'] })
  const { ring } = opened
  assert.deepEqual(keyIds(ring, start), ['a'])
  assert.equal(await verified(opened, start), 'a')
})

test('a next key is published before it signs, and the old one goes when its last token is dead', async () => {
  const opened = await open({ elsewhere: ['a', 'b'] })
  const { ring, clock } = opened
  await at(ring, clock, announcement)
  assert.deepEqual(keyIds(ring, announcement), ['a', 'b'])
  assert.equal(await verified(opened, takeover - 1), 'a')
  assert.equal(await verified(opened, takeover), 'b')
  const gone = takeover + 1000 * overlapSeconds(300, timing)
  await at(ring, clock, gone)
  assert.deepEqual(keyIds(ring, gone), ['b'])
})

test('with nothing new on offer the old key goes on; a key that is made later is announced, and waits its time', async () => {
  const opened = await open({ elsewhere: ['a'] })
  const { ring, clock, held, logged } = opened
  const late = takeover + 1000 * timing.rotateEverySeconds
  await at(ring, clock, late)
  assert.equal(await verified(opened, late), 'a')
  assert.ok(logged.includes('keys.none-offered'))
  await assert.rejects(ring.rotate('client ops'), { code: 'signer-exhausted' })

  held.push(generateSigningKey('ES256', { keyId: 'b' }))
  await ring.rotate('client ops')
  assert.deepEqual(keyIds(ring, late), ['a', 'b'])
  assert.equal(await verified(opened, late + 1000 * timing.leadSeconds - 1), 'a')
  assert.equal(await verified(opened, late + 1000 * timing.leadSeconds), 'b')
})

test('no key comes back', async () => {
  const opened = await open({ elsewhere: ['a', 'b'] })
  const { ring, clock } = opened
  await at(ring, clock, announcement)
  await at(ring, clock, takeover + 1000 * timing.rotateEverySeconds)
  assert.equal(await verified(opened, clock.nowMs), 'b')
  await assert.rejects(ring.rotate(), { code: 'signer-exhausted' })
})

test('while the signer is away the ring is read all the same, and nobody else signs', async () => {
  const opened = await open({ elsewhere: ['a', 'b'] })
  const { ring, clock, state } = opened
  state.isDown = true
  await at(ring, clock, announcement)
  assert.deepEqual(keyIds(ring, announcement), ['a'])
  assert.throws(() => ring.signerAt(announcement), { code: 'signer-unavailable' })
  assert.throws(() => ring.signingKeyAt(announcement), { code: 'signer-unavailable' })
  const late = announcement + 1000 * timing.staleAfterSeconds
  await at(ring, clock, late)
  state.isDown = false
  assert.equal(await verified(opened, late), 'a')
})

test('without a first key there is no ring', async () => {
  await assert.rejects(open({ elsewhere: [] }), { code: 'signer-exhausted' })
  await assert.rejects(open({ elsewhere: ['a'], isDown: true }), { code: 'signer-unavailable' })
  const store = createMemoryStore()
  const other = generateSigningKey('ES256', { keyId: 'a' })
  await assert.rejects(open({ elsewhere: ['a'], store, signWith: other }), { code: 'signer-wrong' })
  assert.equal((await store.readRing()).version, 0)
})

test('a ring moves out and back, each time by a published key', async () => {
  const store = createMemoryStore()
  const own = await open({ store })
  const first = own.ring.signerAt(start).keyId
  await own.ring.close()

  const out = await open({ store, elsewhere: ['a'] })
  assert.deepEqual(keyIds(out.ring, start), [first, 'a'])
  const moved = start + 1000 * timing.leadSeconds
  assert.equal(await verified(out, moved - 1), first)
  assert.equal(await verified(out, moved), 'a')
  await assert.rejects(out.ring.import(generateSigningKey('ES256')), { code: 'ring-key-refused' })
  await out.ring.close()

  // Without its signer it does not even start, in either case: its key signs, or is about to.
  await assert.rejects(open({ store, nowMs: moved }), { code: 'signer-missing' })
  await assert.rejects(open({ store }), { code: 'signer-missing' })

  const back = await open({ store, elsewhere: ['a'], leave: true, nowMs: moved })
  const home = moved + 1000 * timing.leadSeconds
  assert.equal(await verified(back, home - 1), 'a')
  const last = await verified(back, home)
  assert.notEqual(last, 'a')
  await back.ring.close()

  // The old key is only published any more, and that takes nobody.
  const alone = await open({ store, nowMs: home })
  assert.deepEqual(
    keyIds(alone.ring, home),
    [last, first, 'a'].filter((id) => id !== first),
  )
  assert.equal(await verified(alone, home), last)
})

test('taking out the key that signs needs another one, and then is at once', async () => {
  const opened = await open({ elsewhere: ['a'] })
  const { ring, held } = opened
  await assert.rejects(ring.remove('a'), { code: 'signer-exhausted' })
  held.push(generateSigningKey('ES256', { keyId: 'b' }))
  await ring.remove('a')
  assert.deepEqual(keyIds(ring, start), ['b'])
  assert.equal(await verified(opened, start), 'b')
})

test('a successor that is announced takes over, and nobody is asked for another', async () => {
  const { ring, clock, state } = await open({ elsewhere: ['a', 'b'] })
  await at(ring, clock, announcement)
  state.isDown = true
  await ring.remove('a')
  assert.deepEqual(keyIds(ring, announcement), ['b'])
})

test('the private half is never in the store, and no public one is taken that was not sealed there', async () => {
  const store = createMemoryStore()
  const { ring } = await open({ store, elsewhere: ['a'] })
  await ring.close()
  const { version, keys } = await store.readRing()
  const text = seal.open(keys[0]!.sealedKey!, keys[0]!).revealText()
  assert.deepEqual(Object.keys(JSON.parse(text)), ['external'])
  assert.doesNotMatch(text, /"d":/)

  const planted = { external: publicJwk(generateSigningKey('ES256', { keyId: 'a' })) }
  const sealedKey = `plain-1.${Buffer.from(JSON.stringify(planted)).toString('base64url')}`
  await store.replaceRing(version, [{ ...keys[0]!, sealedKey }])
  await assert.rejects(open({ store, elsewhere: ['a'] }), { code: 'seal-broken' })
})

test('a replica whose signer lacks an announced key says so long before it is to sign', async () => {
  const store = createMemoryStore()
  const shared = generateSigningKey('ES256', { keyId: 'a' })
  const one = await open({ store, keys: [shared, generateSigningKey('ES256', { keyId: 'b' })] })
  const two = await open({ store, keys: [shared] })
  await at(one.ring, one.clock, announcement)
  await at(two.ring, two.clock, announcement)
  await new Promise(setImmediate)
  assert.deepEqual(keyIds(two.ring, announcement), ['a', 'b'])
  assert.deepEqual(
    [one.logged.includes('signer.unproven b'), two.logged.includes('signer.unproven b')],
    [false, true],
  )
  assert.equal(two.logged.includes('signer.unproven a'), false)
})

type Options = {
  readonly store?: Store
  readonly elsewhere?: readonly string[]
  readonly keys?: readonly SigningKey[]
  /** What signs, whatever key is asked for. */
  readonly signWith?: SigningKey
  readonly leave?: boolean
  readonly isDown?: boolean
  readonly nowMs?: number
}

type Opened = {
  readonly ring: KeyRing
  readonly clock: { nowMs: number }
  readonly state: { isDown: boolean }
  readonly held: SigningKey[]
  readonly logged: string[]
}

async function open({
  store = createMemoryStore(),
  elsewhere,
  keys,
  signWith,
  leave = false,
  isDown = false,
  nowMs = start,
}: Options): Promise<Opened> {
  const clock = { nowMs }
  const state = { isDown }
  const logged: string[] = []
  const line = (event: string, fields: { keyId?: unknown } = {}): void => {
    logged.push(event, `${event} ${String(fields.keyId)}`)
  }
  const held = [...(keys ?? elsewhere?.map((keyId) => known(keyId)) ?? [])]
  const external: ExternalKeys = createExternalKeys({
    async ask({ method, keyId, input = '' }) {
      if (state.isDown) throw new Problem('signer-unavailable', 'gone', { retryAfterSeconds: 2 })
      if (method === 'keys') return { keys: held.map(publicJwk) }
      const key = signWith ?? held.find((candidate) => candidate.keyId === keyId)
      if (key === undefined)
        throw new Problem('signer-unavailable', `no key ${keyId}`, { retryAfterSeconds: 2 })
      return { signature: key.signs(Buffer.from(input, 'base64url')) }
    },
    isRunning: () => !state.isDown,
    close: async () => {},
  })
  const ring = await openKeyRing({
    store,
    seal,
    timing,
    algorithm: 'ES256',
    clock: () => clock.nowMs,
    log: { debug: line, info: line, warn: line, error: line },
    external: elsewhere === undefined && keys === undefined ? undefined : { keys: external, leave },
  })
  after(() => ring.close())
  return { ring, clock, state, held, logged }
}

/** The same key each time it is opened, as with a real signer. */
const keysByName = new Map<string, SigningKey>()
function known(keyId: string): SigningKey {
  const key = keysByName.get(keyId) ?? generateSigningKey('ES256', { keyId })
  keysByName.set(keyId, key)
  return key
}

async function at(ring: KeyRing, clock: { nowMs: number }, nowMs: number): Promise<void> {
  clock.nowMs = nowMs
  await ring.refresh()
}

function keyIds(ring: KeyRing, nowMs: number): unknown[] {
  return ring.publishedAt(nowMs).map((jwk) => jwk['kid'])
}

/** The id of the key that signed, once the ring's own key set has verified its token. */
async function verified({ ring, clock: ringClock }: Opened, nowMs: number): Promise<string> {
  await at(ring, ringClock, nowMs)
  const iat = Math.floor(nowMs / 1000)
  const signer = ring.signerAt(nowMs)
  const token = await signer.sign({
    iss: 'https://issuer.example',
    aud: 'billing',
    sub: 'orders',
    iat,
    exp: iat + 300,
    jti: 'a',
  })
  const clock = (): number => nowMs
  const verifier = createVerifier({
    issuer: 'https://issuer.example',
    audience: 'billing',
    keySet: ring.keySet,
    clock,
  })
  const outcome = await verifier.verify(token)
  assert.equal(outcome.kind, 'verified')
  return signer.keyId
}
