import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { test } from 'node:test'
import { inTurn } from './turn.ts'

test('those of one turn go on when it is over, in their order, before the next one', async () => {
  const steps: string[] = []
  for (const name of ['one', 'other']) {
    steps.push(`${name} checked`)
    void inTurn({ name }).then((value) => steps.push(`${value.name} goes on`))
  }
  await Promise.resolve()
  assert.deepEqual(steps, ['one checked', 'other checked'])
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(steps, ['one checked', 'other checked', 'one goes on', 'other goes on'])
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

test('a clock that a test has put in place holds nobody up', async (t) => {
  t.mock.timers.enable({ apis: ['setImmediate', 'setTimeout'] })
  assert.equal(await inTurn('through'), 'through')
})

test('a clock that was in place when this was loaded, and is gone, holds nobody up', async (t) => {
  t.mock.timers.enable({ apis: ['setImmediate'] })
  const loaded = (await import(`./turn.ts?${Date.now()}`)) as { inTurn: typeof inTurn }
  t.mock.timers.reset()
  assert.equal(await loaded.inTurn('through'), 'through')
})
