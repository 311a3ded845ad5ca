import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '../core/problem.ts'
import { IssuerDown } from './issuer-down.ts'
import { SharedBackOff } from './shared-back-off.ts'

const down = new IssuerDown('down')
const refused = new Problem('token-refused', 'no')

test('a failure of the issuer keeps all from asking, one of a request nobody', async () => {
  const { backOff, ask, clock } = make()
  const own = new Problem('token-unavailable', 'one')
  await assert.rejects(
    ask(() => Promise.reject(own)),
    { message: 'one' },
  )
  await assert.rejects(
    ask(() => Promise.reject(refused)),
    { message: 'no' },
  )
  assert.equal(backOff.failing(0), undefined)
  await assert.rejects(
    ask(() => Promise.reject(down)),
    (error) => error === down,
  )
  await assert.rejects(
    ask(() => assert.fail('asked')),
    { code: 'token-unavailable', retryAfterSeconds: 1 },
  )
  clock.nowMs = 1000
  assert.equal(await ask(async () => 7), 7)
})

test('many that fail together are one failure', async () => {
  const { backOff, ask } = make()
  const all = Array.from({ length: 49 }, () => ask(() => Promise.reject(down)))
  await Promise.allSettled(all)
  assert.equal(backOff.failing(0)?.retryAfterSeconds, 1)
})

test('after the pause whoever asks goes ahead, and nobody waits for anybody', async () => {
  const { ask, clock } = make()
  await assert.rejects(ask(() => Promise.reject(down)))
  clock.nowMs = 1000
  const never = Promise.withResolvers<never>()
  void ask(() => never.promise)
  assert.equal(await ask(async () => 7), 7)
})

for (const [what, end] of [
  ['an answer', () => Promise.resolve(7)],
  ['a refusal', () => Promise.reject(refused)],
  ['a failure of its own', () => Promise.reject(new Error('a secret that cannot be read'))],
] as const) {
  test(`${what} ends what was counted: the next pause is the first again`, async () => {
    const { backOff, ask, clock } = make()
    await assert.rejects(ask(() => Promise.reject(down)))
    clock.nowMs = 1000
    await ask<unknown>(end).catch(() => {})
    await assert.rejects(ask(() => Promise.reject(down)))
    assert.equal(backOff.failing(1000)?.retryAfterSeconds, 1)
  })
}

test('what was asked before the pause does not end it', async () => {
  const { backOff, ask } = make()
  const slow = Promise.withResolvers<void>()
  const early = ask(() => slow.promise)
  await assert.rejects(ask(() => Promise.reject(new IssuerDown('busy', { retryAfterSeconds: 30 }))))
  slow.resolve()
  await early
  assert.equal(backOff.failing(0)?.retryAfterSeconds, 30)
})

function make() {
  const clock = { nowMs: 0 }
  const backOff = new SharedBackOff(
    () => 0,
    () => clock.nowMs,
  )
  const ask = <Answer>(request: () => Promise<Answer>): Promise<Answer> => backOff.ask(request)
  return { backOff, ask, clock }
}
