import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { after, test } from 'node:test'
import { isProblem, Problem, Secret } from '@countersign/sdk/core'
import { createVerifier, generateSigningKey } from '@countersign/sdk/jwt'
import { createMemoryStore } from '../../store/memory.ts'
import { openSqliteStore } from '../../store/sqlite.ts'
import type { Store } from '../../store/store.ts'
import { openKeyRing } from './key-ring.ts'
import type { KeyRing, KeyRingOptions } from './key-ring.ts'
import { createKeySeal, dangerouslyUnsealed } from './key-seal.ts'
import { overlapSeconds, rotationTiming } from './rotation-timing.ts'

const timing = rotationTiming({ rotateEverySeconds: 36_000, tokenLifetimeSeconds: 300 })
const start = 1_800_000_000_000
const directory = mkdtempSync(join(tmpdir(), 'countersign-ring-'))
after(() => rmSync(directory, { recursive: true, force: true }))

test('a new ring signs at once and its tokens verify in this process', async () => {
  const { ring } = await openRing()
  assert.match(await verify(ring, start), /^verified$/)
  assert.equal(ring.publishedAt(start).length, 1)
  assert.deepEqual(states(ring, start), ['active'])
})

test('a whole rotation: published first, signing on the second, gone when the last token is dead', async () => {
  const { ring, clock } = await openRing()
  const first = ring.signerAt(start).keyId
  const oldToken = ring.signerAt(start).sign(claims(start))

  clock.nowMs = start + 1000 * (timing.rotateEverySeconds - timing.leadSeconds)
  await ring.refresh()
  assert.deepEqual(states(ring, clock.nowMs), ['active', 'announced'])
  assert.equal(ring.publishedAt(clock.nowMs).length, 2)

  const takeover = start + 1000 * timing.rotateEverySeconds
  clock.nowMs = takeover
  await ring.refresh()
  assert.equal(ring.signerAt(takeover - 1).keyId, first)
  const second = ring.signerAt(takeover).keyId
  assert.notEqual(second, first)
  assert.deepEqual(
    ring.publishedAt(takeover).map((jwk) => jwk['kid']),
    [second, first],
  )

  // A token signed in the very last moment lives to its end.
  const lastToken = ring.signerAt(takeover - 1).sign(claims(takeover - 1))
  assert.equal(await verify(ring, takeover + 299_000, lastToken), 'verified')
  assert.equal(await verify(ring, start, oldToken), 'verified')

  const gone = takeover + 1000 * overlapSeconds(300, timing)
  clock.nowMs = gone
  await ring.refresh()
  assert.deepEqual(
    ring.publishedAt(gone).map((jwk) => jwk['kid']),
    [second],
  )
  assert.equal(await verify(ring, start, oldToken), 'key-unknown')
  assert.deepEqual(states(ring, gone), ['retired', 'active'])
})

test('the published keys are the same array until they change, and hold nothing private', async () => {
  const { ring, clock } = await openRing()
  const before = ring.publishedAt(start)
  clock.nowMs += 60_000
  await ring.refresh()
  assert.equal(ring.publishedAt(clock.nowMs), before)
  await ring.rotate()
  assert.notEqual(ring.publishedAt(clock.nowMs), before)
  for (const jwk of ring.publishedAt(clock.nowMs)) {
    assert.deepEqual(Object.keys(jwk).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  }
})

test('a ring that is opened again signs with the same key', async () => {
  const store = openSqliteStore({ path: join(directory, 'again.db') })
  const seal = createKeySeal(new Secret(randomBytes(32)))
  const one = await openRing({ store, seal })
  const two = await openRing({ store, seal })
  assert.equal(two.ring.signerAt(start).keyId, one.ring.signerAt(start).keyId)
  await store.close()
})

test('the private key in the store is sealed', async () => {
  const store = createMemoryStore()
  await openRing({ store, seal: createKeySeal(new Secret(randomBytes(32))) })
  const { keys } = await store.readRing()
  assert.match(keys[0]?.sealedKey ?? '', /^sealed-1\./)
})

test('the wrong seal secret refuses to start and changes nothing, however overdue the rotation', async () => {
  const store = createMemoryStore()
  const { ring } = await openRing({ store, seal: createKeySeal(new Secret(randomBytes(32))) })
  await ring.close()
  const before = await store.readRing()
  await assert.rejects(
    openRing({ store, seal: createKeySeal(new Secret(randomBytes(32))), nowMs: start + 1e11 }),
    (error) => isProblem(error) && error.code === 'seal-broken',
  )
  await assert.rejects(openRing({ store, seal: dangerouslyUnsealed }), { code: 'seal-missing' })
  assert.equal(await store.readRing(), before)
})

test('a key that is not the one its record names is refused', async () => {
  const store = createMemoryStore()
  await openRing({ store })
  const { keys, version } = await store.readRing()
  const swapped = keys.map((key) => ({ ...key, keyId: 'another' }))
  await store.replaceRing(version, swapped)
  await assert.rejects(openRing({ store }), { code: 'key-invalid' })
})

test('a damaged plain key is refused without a word of it', async () => {
  const store = createMemoryStore()
  await openRing({ store })
  const { keys, version } = await store.readRing()
  const sealedKey = `plain-1.${Buffer.from('{"d":"very private').toString('base64url')}`
  await store.replaceRing(
    version,
    keys.map((key) => ({ ...key, sealedKey })),
  )
  await assert.rejects(openRing({ store }), (error) => {
    assert.ok(isProblem(error) && error.code === 'key-invalid')
    assert.doesNotMatch(inspect(error), /very private/)
    return true
  })
})

test('replicas that start together make one key, and rotate once', async () => {
  const store = openSqliteStore({ path: join(directory, 'replicas.db') })
  const replicas = await Promise.all(Array.from({ length: 5 }, () => openRing({ store })))
  assert.equal(new Set(replicas.map(({ ring }) => ring.signerAt(start).keyId)).size, 1)
  assert.equal((await store.readRing()).keys.length, 1)

  const due = start + 1000 * (timing.rotateEverySeconds - timing.leadSeconds)
  for (const { clock } of replicas) clock.nowMs = due
  await Promise.all(replicas.map(({ ring }) => ring.refresh()))
  assert.equal((await store.readRing()).keys.length, 2)
  for (const { ring } of replicas) assert.deepEqual(states(ring, due), ['active', 'announced'])
  await store.close()
})

test('a replica learns of a key another one announced before that key signs', async () => {
  const store = createMemoryStore()
  const [one, two] = [await openRing({ store }), await openRing({ store })]
  await one.ring.rotate()
  assert.deepEqual(states(two.ring, start), ['active'])
  await two.ring.refresh()
  assert.deepEqual(states(two.ring, start), ['active', 'announced'])
})

test('a store outage changes nothing until it could be unsafe, then the ring refuses to decide', async () => {
  const { ring, clock, outage } = await openRing()
  outage.down = true
  await assert.rejects(ring.refresh(), { code: 'store-unavailable' })
  const limit = start + 1000 * timing.staleAfterSeconds
  assert.equal(await verify(ring, limit), 'verified')
  assert.throws(
    () => ring.signerAt(limit + 1),
    (error) => isProblem(error) && error.code === 'ring-stale' && error.retryAfterSeconds !== undefined,
  )
  assert.throws(() => ring.publishedAt(limit + 1), { code: 'ring-stale' })

  outage.down = false
  clock.nowMs = limit + 1
  await ring.refresh()
  assert.equal(await verify(ring, limit + 1), 'verified')
})

test('an overdue ring starts its refresh by itself', async () => {
  const { ring, clock } = await openRing()
  clock.nowMs = start + 1000 * (timing.staleAfterSeconds + 1)
  assert.throws(() => ring.signerAt(clock.nowMs), { code: 'ring-stale' })
  await ring.close()
  assert.ok(ring.signerAt(clock.nowMs))
})

test('removing the signing key takes effect at once, here and in the other replicas with their next reading', async () => {
  const store = createMemoryStore()
  const [one, two] = [await openRing({ store }), await openRing({ store })]
  const token = one.ring.signerAt(start).sign(claims(start))
  const { keyId } = one.ring.signerAt(start)
  await one.ring.remove(keyId)
  await two.ring.refresh()
  for (const { ring } of [one, two]) {
    assert.notEqual(ring.signerAt(start).keyId, keyId)
    assert.equal(await verify(ring, start, token), 'key-unknown')
    assert.equal(await verify(ring, start), 'verified')
    assert.ok(ring.publishedAt(start).every((jwk) => jwk['kid'] !== keyId))
  }
  assert.equal(one.ring.signerAt(start).keyId, two.ring.signerAt(start).keyId)
  await one.ring.remove(keyId)
  assert.deepEqual(states(one.ring, start), ['retired', 'active'])
  await assert.rejects(one.ring.remove('no such key'), { code: 'ring-key-unknown' })
})

test('the audit log tells what became of each key, and who wanted it', async () => {
  const store = createMemoryStore()
  const { ring, clock } = await openRing({ store })
  await ring.rotate('client ops')
  await ring.rotate('client ops')
  clock.nowMs = start + 1000 * (timing.leadSeconds + 3600)
  await ring.refresh()
  await ring.remove(ring.signerAt(clock.nowMs).keyId, 'client ops')
  const records = await store.readAudit(0, 10)
  assert.deepEqual(
    records.map(({ actor, action }) => `${actor}: ${action}`),
    ['issuer: key.announced', 'client ops: key.announced', 'issuer: key.retired', 'client ops: key.removed'],
  )
  assert.equal(JSON.parse(records[1]!.detail)['because'], 'asked')
})

test('a key that was made elsewhere is announced first, and signs after the usual lead', async () => {
  const { ring, clock } = await openRing()
  const key = generateSigningKey('ES256')
  await ring.import(key, 'client ops')
  assert.deepEqual(states(ring, start), ['active', 'announced'])
  assert.notEqual(ring.signerAt(start).keyId, key.keyId)
  assert.ok(ring.publishedAt(start).some((jwk) => jwk['kid'] === key.keyId))
  clock.nowMs = start + 1000 * timing.leadSeconds
  await ring.refresh()
  assert.equal(ring.signerAt(clock.nowMs).keyId, key.keyId)
  assert.equal(await verify(ring, clock.nowMs), 'verified')
})

test('a key is imported once, for the ring’s algorithm, and not while another one is announced', async () => {
  const { ring, clock } = await openRing()
  await assert.rejects(ring.import(generateSigningKey('EdDSA')), { code: 'ring-key-refused' })
  const key = generateSigningKey('ES256')
  await ring.import(key)
  await assert.rejects(ring.import(key), { code: 'ring-key-refused' })
  await assert.rejects(ring.import(generateSigningKey('ES256')), { code: 'ring-key-refused' })
  await ring.remove(key.keyId)
  // Whoever took it out did not want it back.
  await assert.rejects(ring.import(key), { code: 'ring-key-refused' })
  assert.equal(await verify(ring, clock.nowMs), 'verified')
})

test('a failed turn does not stop the next one', async () => {
  const { ring } = await openRing()
  await assert.rejects(ring.remove('no such key'))
  await ring.rotate()
  assert.deepEqual(states(ring, start), ['active', 'announced'])
})

test('a clock that is set back brings the earlier view back', async () => {
  const { ring, clock } = await openRing()
  await ring.rotate()
  const takeover = start + 1000 * timing.leadSeconds
  clock.nowMs = takeover
  await ring.refresh()
  const [first, second] = ring.describe(takeover).map(({ keyId }) => keyId)
  assert.equal(ring.signerAt(takeover).keyId, second)
  assert.equal(ring.signerAt(takeover - 1).keyId, first)
  assert.equal(ring.signerAt(takeover).keyId, second)
})

test('keys of every family turn; a shared secret is refused', async () => {
  for (const algorithm of ['ES384', 'PS256', 'EdDSA', 'Ed25519'] as const) {
    const { ring } = await openRing({ algorithm })
    assert.equal(ring.signerAt(start).algorithm, algorithm)
    assert.equal(await verify(ring, start), 'verified')
  }
  await assert.rejects(openRing({ algorithm: 'HS256' }), { code: 'algorithm-unpublishable' })
})

test('a store that only ever loses the race is a Problem, not an endless loop', async () => {
  const store = { ...createMemoryStore(), replaceRing: async () => false }
  await assert.rejects(openRing({ store }), { code: 'store-unavailable' })
})

type Fixture = { ring: KeyRing; clock: { nowMs: number }; outage: { down: boolean } }

async function openRing(options: Partial<KeyRingOptions> & { nowMs?: number } = {}): Promise<Fixture> {
  const clock = { nowMs: options.nowMs ?? start }
  const outage = { down: false }
  const inner = options.store ?? createMemoryStore()
  const store: Store = {
    ...inner,
    async readRing() {
      if (outage.down) throw new Problem('store-unavailable', 'the store is down')
      return inner.readRing()
    },
  }
  const ring = await openKeyRing({
    seal: dangerouslyUnsealed,
    timing,
    algorithm: options.algorithm ?? 'ES256',
    log: { debug() {}, info() {}, warn() {}, error() {} },
    ...options,
    store,
    clock: () => clock.nowMs,
  })
  after(() => ring.close())
  return { ring, clock, outage }
}

function claims(nowMs: number): Record<string, unknown> {
  const iat = Math.floor(nowMs / 1000)
  return { iss: 'https://issuer.example', aud: 'billing', sub: 'orders', iat, exp: iat + 300, jti: 'a' }
}

/** 'verified', or why not, as the sdk's verifier sees it through the ring's own key set. */
async function verify(
  ring: KeyRing,
  nowMs: number,
  token: string | Promise<string> = ring.signerAt(nowMs).sign(claims(nowMs)),
): Promise<string> {
  const verifier = createVerifier({
    issuer: 'https://issuer.example',
    audience: 'billing',
    keySet: ring.keySet,
    clock: () => nowMs,
  })
  const outcome = await verifier.verify(await token)
  return outcome.kind === 'verified' ? 'verified' : outcome.denial.reason
}

function states(ring: KeyRing, nowMs: number): string[] {
  return ring.describe(nowMs).map(({ state }) => state)
}
