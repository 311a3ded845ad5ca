import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { isPending } from './pending.ts'

test('whatever can be waited for is pending, of whatever class it is', () => {
  const foreign = runInNewContext('Promise.resolve(1)') as Promise<number>
  assert.ok(!(foreign instanceof Promise))
  for (const pending of [Promise.resolve(1), foreign, { then() {} }]) assert.ok(isPending<unknown>(pending))
  for (const made of [1, 'then', null, undefined, {}, { then: true }]) assert.ok(!isPending(made))
})
