/**
 * The promise of rotation, played through: replicas and verifiers with clocks apart, verifiers that keep the key set
 * to the last second and never ask for an unknown key, replicas that lose the store for a while, keys asked for out
 * of turn. Whatever the order of events, no good token may be refused.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { KeyRecord } from '../../store/store.ts'
import { applyPlan, planRing, viewRing } from './rotate.ts'
import { rotationTiming } from './rotation-timing.ts'
import type { RotationTiming } from './rotation-timing.ts'

const safe = rotationTiming({ rotateEverySeconds: 1200, tokenLifetimeSeconds: 300 })

test('no good token is refused across rotations', () => {
  fc.assert(
    fc.property(story, (events) => assert.deepEqual(refusals(events, safe), [])),
    { numRuns: 150 },
  )
})

test('with tokens as long as the rotation allows', () => {
  const tight = rotationTiming({ rotateEverySeconds: 1200, tokenLifetimeSeconds: 630 })
  fc.assert(
    fc.property(story, (events) => assert.deepEqual(refusals(events, tight), [])),
    { numRuns: 50 },
  )
})

// The game is worth nothing unless it is lost with unsafe numbers.
test('the same game is lost when a key signs before every copy holds it', () => {
  assert.ok(canBeLost({ ...safe, leadSeconds: safe.cacheSeconds, staleAfterSeconds: 60 }))
})

test('the same game is lost when a replica goes on for too long without the store', () => {
  assert.ok(canBeLost({ ...safe, staleAfterSeconds: safe.staleAfterSeconds + safe.cacheSeconds }))
})

test('the same game is lost when an old key leaves before its last token', () => {
  assert.ok(canBeLost({ ...safe, skewSeconds: -60 }))
})

/** One story in sixty loses where it is hardest; so many that a run which finds none is no chance. It ends with the first. */
function canBeLost(timing: RotationTiming): boolean {
  return fc.check(
    fc.property(story, (events) => refusals(events, timing).length === 0),
    { numRuns: 3000, endOnFailure: true },
  ).failed
}

type Story = {
  /** How far each party's clock is from the true time, in seconds. */
  readonly replicaClocks: readonly number[]
  readonly verifierClocks: readonly number[]
  /** When which replica cannot reach the store, in seconds from the start. */
  readonly outages: readonly { readonly replica: number; readonly from: number; readonly lasts: number }[]
  /** When somebody asks for a new key. */
  readonly asked: readonly number[]
  readonly dice: readonly number[]
}

const horizonSeconds = 5000
const stepSeconds = 10

const story: fc.Arbitrary<Story> = fc.record({
  replicaClocks: fc.array(fc.integer({ min: -30, max: 30 }), { minLength: 1, maxLength: 3 }),
  verifierClocks: fc.array(fc.integer({ min: -30, max: 30 }), { minLength: 1, maxLength: 3 }),
  outages: fc.array(
    fc.record({
      replica: fc.nat(2),
      from: fc.integer({ min: 0, max: horizonSeconds }),
      lasts: fc.integer({ min: 1, max: 1500 }),
    }),
    { maxLength: 6 },
  ),
  asked: fc.array(fc.integer({ min: 0, max: horizonSeconds }), { maxLength: 2 }),
  dice: fc.array(fc.nat(1000), { minLength: 20, maxLength: 60 }),
})

/** Plays a story and reports the good tokens that were refused. */
function refusals(
  { replicaClocks, verifierClocks, outages, asked, dice }: Story,
  timing: RotationTiming,
): string[] {
  const epoch = 1_800_000_000
  const store = { version: 0, records: [] as readonly KeyRecord[] }
  const replicas = replicaClocks.map((offset) => ({
    offset,
    records: [] as readonly KeyRecord[],
    readAt: -Infinity,
  }))
  const verifiers = verifierClocks.map((offset) => ({
    offset,
    keys: [] as readonly string[],
    fetchedAt: -Infinity,
  }))
  let tokens: { keyId: string; expiresAt: number }[] = []
  const refused: string[] = []
  let keys = 0
  let rolls = 0
  const roll = (sides: number): number => dice[rolls++ % dice.length]! % sides

  for (let now = epoch; now < epoch + horizonSeconds; now += stepSeconds) {
    replicas.forEach((replica, index) => {
      const cut = outages.some(
        (outage) =>
          outage.replica === index && now - epoch >= outage.from && now - epoch < outage.from + outage.lasts,
      )
      // Reading a little out of step, as replicas that were started at different moments do.
      if ((now + index * 10) % timing.refreshSeconds >= stepSeconds || cut) return
      const wish = asked.some((at) => now - epoch >= at && now - epoch < at + timing.refreshSeconds)
      const nowMs = 1000 * (now + replica.offset)
      const plan = planRing(store.records, { nowMs, timing, algorithm: 'ES256', asked: wish })
      if (plan !== undefined) {
        const fresh = { keyId: `key-${keys++}`, algorithm: 'ES256', sealedKey: 'sealed' }
        store.records = applyPlan(store.records, plan, { nowMs, timing, fresh })
        store.version++
      }
      replica.records = store.records
      replica.readAt = now
    })
    const serving = replicas.filter((replica) => now - replica.readAt <= timing.staleAfterSeconds)
    if (serving.length === 0) continue

    for (const verifier of verifiers) {
      if (now - verifier.fetchedAt < timing.cacheSeconds) continue
      const replica = serving[roll(serving.length)]!
      verifier.keys = viewRing(replica.records, 1000 * (now + replica.offset), timing).published.map(
        (key) => key.keyId,
      )
      verifier.fetchedAt = now
    }

    const signer = serving[roll(serving.length)]!
    const { signing } = viewRing(signer.records, 1000 * (now + signer.offset), timing)
    if (signing !== undefined) {
      tokens.push({ keyId: signing.keyId, expiresAt: now + signer.offset + timing.tokenLifetimeSeconds })
    }

    for (const verifier of verifiers) {
      // A copy that could not be renewed is no copy; what a verifier does then is not the issuer's to promise.
      if (now - verifier.fetchedAt > timing.cacheSeconds) continue
      for (const token of tokens) {
        if (now + verifier.offset < token.expiresAt && !verifier.keys.includes(token.keyId)) {
          refused.push(`${token.keyId} at ${now - epoch} s`)
        }
      }
    }
    tokens = tokens.filter((token) => now < token.expiresAt + 60)
  }
  return refused
}
