import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAsking } from './ask-primary.ts'
import type { Asking } from './ask-primary.ts'
import type { Answer, Ask } from './messages.ts'

const nowMs = 1_800_000_000_000

test('what is asked in one turn goes in one message, and each gets its own answer', async () => {
  const messages: (readonly Ask[])[] = []
  const asking: Asking = createAsking((asks) => {
    messages.push(asks)
    // In another order, as answers may come.
    setImmediate(() => asking.settle(asks.map(answered).reverse()))
    return true
  })
  const buckets = asking.buckets('callers a', { burst: 2, perSecond: 1 })
  const told = await Promise.all([
    asking.replays.putOnce('dpop', 'new', nowMs + 1, nowMs, 'someone'),
    asking.replays.putOnce('dpop', 'used', nowMs + 1, nowMs),
    buckets.spend('orders', nowMs),
  ])
  assert.deepEqual(told, [true, false, 250])
  assert.equal(messages.length, 1)
  assert.deepEqual(messages[0]![2], {
    id: 3,
    kind: 'take',
    bucket: 'callers a',
    burst: 2,
    perSecond: 1,
    key: 'orders',
    nowMs,
  })
})

test('no answer in time, and nobody there, is a problem and never a yes', async () => {
  const silent = createAsking(() => true, 20)
  await assert.rejects(async () => silent.replays.putOnce('dpop', 'a', nowMs + 1, nowMs), {
    code: 'primary-silent',
  })
  const alone = createAsking(() => false, 60_000)
  await assert.rejects(async () => alone.buckets('b', { burst: 1, perSecond: 1 }).spend('k', nowMs), {
    code: 'primary-silent',
  })
})

test('an answer that makes no sense lets nothing through', async () => {
  const odd: Asking = createAsking((asks) => {
    setImmediate(() => odd.settle(asks.map(({ id, kind }) => ({ id, told: kind === 'take' ? true : 1 }))))
    return true
  })
  assert.equal(await odd.replays.putOnce('dpop', 'a', nowMs + 1, nowMs), false)
  assert.ok((await odd.buckets('b', { burst: 1, perSecond: 1 }).spend('k', nowMs)) > 1_000_000)
  odd.settle([{ id: 99, told: true }])
})

test('a full memory is a problem', async () => {
  const full: Asking = createAsking((asks) => {
    setImmediate(() => full.settle(asks.map(({ id }) => ({ id, told: 'full' }))))
    return true
  })
  await assert.rejects(async () => full.replays.putOnce('dpop', 'a', nowMs + 1, nowMs), {
    code: 'proofs-full',
  })
})

function answered(ask: Ask): Answer {
  return { id: ask.id, told: ask.kind === 'take' ? 250 : ask.proof === 'new' }
}
