import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { readLimits } from '../front/limits.ts'
import { openUpstream } from '../../../../../test/gateway/stand.ts'
import { Upstream } from './upstream.ts'
import type { UpstreamWaiter } from './upstream.ts'
import { readOrigin } from './upstream-origin.ts'
import { UpstreamPool } from './upstream-pool.ts'
import type { PoolRules } from './upstream-pool.ts'

test('one target is taken whatever is known of it, and never twice', async (t) => {
  const { pool, targets } = await open(t, 1)
  for (let i = 0; i < 9; i++) targets[0]!.health.failed(0)
  assert.equal(pool.pick(false), targets[0])
  assert.equal(pool.pick(true, [targets[0]!]), undefined)
})

test('in turn', async (t) => {
  const { pool, name } = await open(t, 3, { balance: 'round-robin' })
  const order = [1, 2, 3, 4, 5, 6].map(() => name(pool.pick(true)))
  assert.equal(new Set(order.slice(0, 3)).size, 3)
  assert.deepEqual(order.slice(3), order.slice(0, 3))
})

test('the one with the least to do', async (t) => {
  const { pool, targets, name } = await open(t, 3)
  const waiter: UpstreamWaiter = { onConnection: () => undefined, onFailure: () => undefined }
  for (let i = 0; i < 5; i++) targets[0]!.connect(waiter, 'any')
  for (let i = 0; i < 2; i++) targets[2]!.connect(waiter, 'any')
  assert.deepEqual(
    [1, 2, 3, 4].map(() => name(pool.pick(true))),
    [1, 1, 1, 1],
  )
})

test('among equals in turn', async (t) => {
  const { pool, name } = await open(t, 3)
  assert.equal(new Set([1, 2, 3].map(() => name(pool.pick(true)))).size, 3)
})

test('who is out or full is left out; when all are, one is taken all the same', async (t) => {
  const { pool, targets, name } = await open(t, 3)
  for (let i = 0; i < 5; i++) targets[0]!.health.failed(0)
  targets[1]!.connect({ onConnection: () => undefined, onFailure: () => undefined }, 'any')
  const full = await open(t, 2, {}, { upstreamConnections: 1, upstreamWaiting: 0 })
  full.targets[0]!.connect({ onConnection: () => undefined, onFailure: () => undefined }, 'any')
  assert.deepEqual(
    [1, 2, 3, 4].map(() => name(pool.pick(true))),
    [2, 2, 2, 2],
  )
  assert.deepEqual(
    [1, 2, 3, 4].map(() => full.name(full.pool.pick(true))),
    [1, 1, 1, 1],
  )
  for (const target of targets) for (let i = 0; i < 5; i++) target.health.failed(0)
  assert.notEqual(pool.pick(true), undefined)
})

test('a second choice is one that is well and has not been tried', async (t) => {
  const { pool, targets, name } = await open(t, 3)
  for (let i = 0; i < 5; i++) targets[0]!.health.failed(0)
  assert.equal(name(pool.pick(true, [targets[1]!])), 2)
  assert.equal(pool.pick(true, [targets[1]!, targets[2]!]), undefined)
})

test('retries are a share of what is asked for, beyond a few', async (t) => {
  const { pool } = await open(t, 2, { retries: 1, retryShare: 0.25 })
  let allowed = 0
  while (pool.mayRetry(0)) allowed += 1
  assert.equal(allowed, 10)
  for (let i = 0; i < 400; i++) {
    pool.pick(true)
    if (pool.mayRetry(0)) allowed += 1
  }
  assert.equal(allowed, 110)
  assert.equal(pool.mayRetry(1), false, 'one for each request')
})

async function open(
  t: TestContext,
  count: number,
  rules: Partial<PoolRules> = {},
  limits: Parameters<typeof readLimits>[0] = {},
): Promise<{ pool: UpstreamPool; targets: Upstream[]; name: (target: Upstream | undefined) => number }> {
  const ticker = { nowMs: 0, stop() {} }
  const servers = await Promise.all(Array.from({ length: count }, () => openUpstream(() => undefined)))
  const targets = servers.map(({ url }) => new Upstream(readOrigin(url, 'test'), readLimits(limits), ticker))
  t.after(async () => {
    for (const target of targets) target.close()
    for (const server of servers) await server.close()
  })
  const pool = new UpstreamPool(
    targets,
    { protocol: 'http/1.1', balance: 'least-pending', retries: 1, retryShare: 0.2, ...rules },
    ticker,
  )
  return { pool, targets, name: (target) => targets.indexOf(target!) }
}
