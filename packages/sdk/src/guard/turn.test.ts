import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { test } from 'node:test'
import { inTurn } from './turn.ts'

test('those of one turn go on together, in their order, before the next one', async () => {
  const steps: string[] = []
  for (const name of ['one', 'other']) {
    steps.push(`${name} checked`)
    void Promise.resolve(inTurn({ name })).then((value) => steps.push(`${value.name} goes on`))
  }
  await Promise.resolve()
  assert.deepEqual(steps, ['one checked', 'other checked'])
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(steps, ['one checked', 'other checked', 'one goes on', 'other goes on'])
})

test('a crowd goes on in groups, the first of them before the last has come', async () => {
  let gone = 0
  for (let index = 0; index < 40; index++) void Promise.resolve(inTurn({})).then(() => gone++)
  await Promise.resolve()
  await Promise.resolve()
  assert.equal(gone, 32)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(gone, 40)
  // And whoever comes afterwards is not forgotten.
  await inTurn({})
})

test('each goes on in its own asynchronous context', async () => {
  const context = new AsyncLocalStorage<number>()
  const seen = await Promise.all(
    [1, 2, 3].map((mine) =>
      context.run(mine, async () => {
        await inTurn({})
        return context.getStore()
      }),
    ),
  )
  assert.deepEqual(seen, [1, 2, 3])
})

test('a clock that a test has replaced holds nobody up', async (t) => {
  t.mock.timers.enable({ apis: ['setImmediate', 'setTimeout'] })
  assert.deepEqual(await inTurn({ through: true }), { through: true })
})
