import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inBursts } from './burst.ts'

test('what one turn brought is computed together and then finished, in order', async () => {
  const happened: string[] = []
  const take = inBursts<string, string>(
    (job) => (happened.push(`compute ${job}`), job.toUpperCase()),
    (job, outcome) => happened.push(`finish ${job} ${outcome}`),
  )
  take('a')
  take('b')
  assert.deepEqual(happened, [])
  await turn()
  assert.deepEqual(happened, ['compute a', 'compute b', 'finish a A', 'finish b B'])
  take('c')
  await turn()
  assert.deepEqual(happened.slice(4), ['compute c', 'finish c C'])
})

test('a crowd is served in bounded bursts, and nobody is lost or served twice', async () => {
  const order: string[] = []
  const take = inBursts<number, number>(
    (job) => (order.push('compute'), job),
    (job) => order.push(`finish ${job}`),
  )
  for (let job = 0; job < 150; job++) take(job)
  await turn()
  assert.equal(order.filter((entry) => entry === 'compute').length, 64)
  take(150)
  for (let count = 0; count < 5; count++) await turn()
  const finished = order.filter((entry) => entry !== 'compute')
  assert.deepEqual(
    finished,
    Array.from({ length: 151 }, (_, job) => `finish ${job}`),
  )
})

test('a job taken while finishing is done in a later turn', async () => {
  const finished: string[] = []
  const take = inBursts<string, string>(
    (job) => job,
    (job) => {
      finished.push(job)
      if (job === 'first') take('second')
    },
  )
  take('first')
  await turn()
  await turn()
  assert.deepEqual(finished, ['first', 'second'])
})

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
