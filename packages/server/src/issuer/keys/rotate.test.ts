import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KeyRecord } from '../../store/store.ts'
import { applyPlan, planRing, removeKey, viewRing } from './rotate.ts'
import type { FreshKey } from './rotate.ts'
import { overlapSeconds, rotationTiming } from './rotation-timing.ts'

const timing = rotationTiming({ rotateEverySeconds: 36_000, tokenLifetimeSeconds: 300 })
const start = 1_800_000_000_000
const rotateEveryMs = 1000 * timing.rotateEverySeconds
const leadMs = 1000 * timing.leadSeconds
const overlapMs = 1000 * overlapSeconds(300, timing)

test('an empty ring gets a first key that signs at once', () => {
  assert.deepEqual(planRing([], { nowMs: start, timing, algorithm: 'ES256' })?.announce, {
    activeFromMs: start,
    because: 'first',
  })
  const ring = turn([], start, 'a')
  assert.deepEqual(states(ring, start), { a: 'active' })
  assert.equal(viewRing(ring, start, timing).changesAtMs, Infinity)
})

test('one whole rotation, at the very milliseconds', () => {
  let ring = turn([], start, 'a')
  const announceAt = start + rotateEveryMs - leadMs
  assert.equal(planRing(ring, { nowMs: announceAt - 1, timing, algorithm: 'ES256' }), undefined)

  ring = turn(ring, announceAt, 'b')
  assert.deepEqual(states(ring, announceAt), { a: 'active', b: 'announced' })
  const takeover = start + rotateEveryMs
  assert.equal(viewRing(ring, announceAt, timing).changesAtMs, takeover)
  assert.deepEqual(published(ring, announceAt), ['a', 'b'])

  assert.deepEqual(states(ring, takeover - 1), { a: 'active', b: 'announced' })
  assert.deepEqual(states(ring, takeover), { a: 'retiring', b: 'active' })
  assert.deepEqual(published(ring, takeover), ['b', 'a'])
  assert.equal(viewRing(ring, takeover, timing).changesAtMs, takeover + overlapMs)

  assert.deepEqual(states(ring, takeover + overlapMs - 1), { a: 'retiring', b: 'active' })
  assert.deepEqual(states(ring, takeover + overlapMs), { a: 'retired', b: 'active' })
  assert.deepEqual(published(ring, takeover + overlapMs), ['b'])
})

test('says until when each key is what it is', () => {
  let ring = turn([], start, 'a')
  const until = (nowMs: number): unknown => viewRing(ring, nowMs, timing).keys.map(({ untilMs }) => untilMs)
  assert.deepEqual(until(start), [start + rotateEveryMs])
  ring = turn(ring, start + 1000, 'b', { asked: true })
  const takeover = start + 1000 + leadMs
  assert.deepEqual(until(takeover - 1), [takeover, takeover])
  assert.deepEqual(until(takeover), [takeover + overlapMs, takeover + rotateEveryMs])
  assert.deepEqual(until(takeover + overlapMs), [undefined, takeover + rotateEveryMs])
  ring = removeKey(ring, 'b', { nowMs: takeover, timing, fresh: freshKey('c') })
  assert.deepEqual(until(takeover), [takeover + overlapMs, undefined, takeover + rotateEveryMs])
})

test('a retired key loses its private half and is forgotten after 90 days', () => {
  let ring = turn([], start, 'a')
  ring = turn(ring, start + rotateEveryMs - leadMs, 'b')
  const gone = start + rotateEveryMs + overlapMs
  assert.equal(planRing(ring, { nowMs: gone - 1, timing, algorithm: 'ES256' }), undefined)
  ring = turn(ring, gone, 'c')
  const [a, b] = ring
  assert.equal(a?.sealedKey, undefined)
  assert.deepEqual(a?.retired, { atMs: gone, because: 'rotated' })
  assert.equal(b?.sealedKey, 'sealed b')

  const days = 90 * 86_400_000
  const plan = planRing(ring, { nowMs: gone + days + 1, timing, algorithm: 'ES256' })
  assert.deepEqual(plan?.forget, ['a'])
  assert.deepEqual(planRing(ring, { nowMs: gone + days, timing, algorithm: 'ES256' })?.forget, [])
})

test('a rotation that is late gives the new key its full lead all the same', () => {
  const ring = turn([], start, 'a')
  const late = start + 10 * rotateEveryMs
  assert.deepEqual(planRing(ring, { nowMs: late, timing, algorithm: 'ES256' })?.announce, {
    activeFromMs: late + leadMs,
    because: 'age',
  })
})

test('no second key is announced while one is', () => {
  let ring = turn([], start, 'a')
  ring = turn(ring, start + 1000, 'b', { asked: true })
  assert.deepEqual(states(ring, start + 1000), { a: 'active', b: 'announced' })
  assert.equal(planRing(ring, { nowMs: start + 2000, timing, algorithm: 'ES256', asked: true }), undefined)
  assert.equal(planRing(ring, { nowMs: start + 2000, timing, algorithm: 'EdDSA' }), undefined)
})

test('another algorithm in the settings announces a key of it with its full lead', () => {
  const ring = turn([], start, 'a')
  assert.deepEqual(planRing(ring, { nowMs: start + 5, timing, algorithm: 'EdDSA' })?.announce, {
    activeFromMs: start + 5 + leadMs,
    because: 'algorithm',
  })
})

test('longer-lived tokens are written down before they are signed, shorter ones shorten nothing', () => {
  const ring = turn([], start, 'a')
  const longer = rotationTiming({ rotateEverySeconds: 36_000, tokenLifetimeSeconds: 3600, cacheSeconds: 600 })
  const plan = planRing(ring, { nowMs: start, timing: longer, algorithm: 'ES256' })
  assert.equal(plan?.promise, true)
  const promised = applyPlan(ring, plan, { nowMs: start, timing: longer })
  assert.equal(promised[0]?.longestTokenSeconds, 3600)
  assert.equal(promised[0]?.longestCacheSeconds, 600)
  assert.equal(planRing(promised, { nowMs: start, timing, algorithm: 'ES256' }), undefined)

  // Back to short tokens: the next rotation still waits for the long ones and for the long-lived copies.
  const later = start + rotateEveryMs
  const next = planRing(promised, { nowMs: later, timing, algorithm: 'ES256' })
  assert.equal(next?.announce?.activeFromMs, later + leadMs + 300_000)
  const rotated = turn(promised, later, 'b')
  const takeover = later + leadMs + 300_000
  const end = takeover + 1000 * overlapSeconds(3600, timing)
  assert.deepEqual(states(rotated, end - 1), { a: 'retiring', b: 'active' })
  assert.deepEqual(states(rotated, end), { a: 'retired', b: 'active' })
})

test('a replica whose clock is behind signs with the first key all the same', () => {
  const ring = turn([], start, 'a')
  assert.deepEqual(states(ring, start - 60_000), { a: 'active' })
})

test('removing the signing key lets the announced one take over at once', () => {
  let ring = turn([], start, 'a')
  ring = turn(ring, start + 1000, 'b', { asked: true })
  ring = removeKey(ring, 'a', { nowMs: start + 2000, timing, fresh: freshKey('spare') })
  assert.deepEqual(states(ring, start + 2000), { a: 'retired', b: 'active' })
  assert.deepEqual(published(ring, start + 2000), ['b'])
  assert.deepEqual(ring[0]?.retired, { atMs: start + 2000, because: 'removed' })
  assert.equal(ring[0]?.sealedKey, undefined)
})

test('removing the signing key with none announced puts the fresh one in its place', () => {
  const ring = removeKey(turn([], start, 'a'), 'a', { nowMs: start + 2000, timing, fresh: freshKey('spare') })
  assert.deepEqual(states(ring, start + 2000), { a: 'retired', spare: 'active' })
})

test('removing the signing key never brings a retiring one back', () => {
  let ring = turn([], start, 'a')
  ring = turn(ring, start + rotateEveryMs - leadMs, 'b')
  const moment = start + rotateEveryMs + 1000
  ring = removeKey(ring, 'b', { nowMs: moment, timing, fresh: freshKey('c') })
  assert.deepEqual(states(ring, moment), { a: 'retiring', b: 'retired', c: 'active' })
})

test('removing a key that does not sign leaves the signing one alone', () => {
  let ring = turn([], start, 'a')
  ring = turn(ring, start + 1000, 'b', { asked: true })
  ring = removeKey(ring, 'b', { nowMs: start + 2000, timing, fresh: freshKey('spare') })
  assert.deepEqual(states(ring, start + 2000 + leadMs), { a: 'active', b: 'retired' })
})

function turn(
  ring: readonly KeyRecord[],
  nowMs: number,
  keyId: string,
  { asked = false } = {},
): readonly KeyRecord[] {
  const plan = planRing(ring, { nowMs, timing, algorithm: 'ES256', asked })
  assert.ok(plan !== undefined, 'nothing to do')
  return applyPlan(ring, plan, { nowMs, timing, fresh: freshKey(keyId) })
}

function freshKey(keyId: string): FreshKey {
  return { keyId, algorithm: 'ES256', sealedKey: `sealed ${keyId}` }
}

function states(ring: readonly KeyRecord[], nowMs: number): Record<string, string> {
  return Object.fromEntries(
    viewRing(ring, nowMs, timing).keys.map(({ record, state }) => [record.keyId, state]),
  )
}

function published(ring: readonly KeyRecord[], nowMs: number): string[] {
  return viewRing(ring, nowMs, timing).published.map((key) => key.keyId)
}
