import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { batchMarks } from './mark-batch.ts'
import type { Mark } from './mark-batch.ts'

/** Says yes to ids that begin with "new", and keeps what came together. */
function recorder() {
  const batches: string[][] = []
  const write = (marks: readonly Mark[]): boolean[] => {
    batches.push(marks.map(({ id }) => id))
    return marks.map(({ id }) => id.startsWith('new'))
  }
  return { batches, write }
}

test('what comes in one turn is written together, and each caller gets its own answer', async () => {
  const { batches, write } = recorder()
  const putOnce = batchMarks(write)
  const answers = await Promise.all(['new 1', 'old', 'new 2'].map((id) => putOnce('s', id, 2, 1)))
  assert.deepEqual(answers, [true, false, true])
  assert.deepEqual(batches, [['new 1', 'old', 'new 2']])
})

test('what comes while one batch is written makes the next one', async () => {
  const { batches, write } = recorder()
  const gate = Promise.withResolvers<void>()
  const putOnce = batchMarks(async (marks) => {
    if (batches.length === 0) {
      const answers = write(marks)
      await gate.promise
      return answers
    }
    return write(marks)
  })
  const first = putOnce('s', 'new 1', 2, 1)
  await turn()
  const others = ['new 2', 'new 3'].map((id) => putOnce('s', id, 2, 1))
  await turn()
  assert.deepEqual(batches, [['new 1']])
  gate.resolve()
  assert.deepEqual(await Promise.all([first, ...others]), [true, true, true])
  assert.deepEqual(batches, [['new 1'], ['new 2', 'new 3']])
})

test('a batch is bounded', async () => {
  const { batches, write } = recorder()
  const putOnce = batchMarks(write)
  await Promise.all(Array.from({ length: 600 }, (_, index) => putOnce('s', `new ${index}`, 2, 1)))
  assert.deepEqual(
    batches.map(({ length }) => length),
    [256, 256, 88],
  )
})

test('a failure is the failure of all that were in it, and of nobody after it', async () => {
  const { write } = recorder()
  let failing = true
  const putOnce = batchMarks((marks) => {
    if (failing) throw new Error('the disk is full')
    return write(marks)
  })
  const together = await Promise.allSettled(['new 1', 'new 2'].map((id) => putOnce('s', id, 2, 1)))
  assert.deepEqual(
    together.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  failing = false
  assert.equal(await putOnce('s', 'new 1', 2, 1), true)
})
