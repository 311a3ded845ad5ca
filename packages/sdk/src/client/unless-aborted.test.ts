import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { unlessAborted } from './unless-aborted.ts'

test('what is asked for, and what it throws, with nothing left on the signal', async () => {
  const { signal } = new AbortController()
  for (const one of [undefined, null, signal]) {
    assert.equal(await unlessAborted(async () => 7, one), 7)
    await assert.rejects(
      unlessAborted(() => Promise.reject(new Error('x')), one),
      { message: 'x' },
    )
  }
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('the signal’s reason at once, while what was asked goes on', async () => {
  const controller = new AbortController()
  const asked = Promise.withResolvers<number>()
  const waiting = unlessAborted(() => asked.promise, controller.signal)
  const other = unlessAborted(() => asked.promise, undefined)
  assert.equal(getEventListeners(controller.signal, 'abort').length, 1)
  const reason = new Error('enough')
  controller.abort(reason)
  await assert.rejects(waiting, (error) => error === reason)
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
  asked.resolve(7)
  assert.equal(await other, 7)
})

test('what fails after the end of the wait is no unhandled rejection', async () => {
  const controller = new AbortController()
  const asked = Promise.withResolvers<number>()
  const waiting = unlessAborted(() => asked.promise, controller.signal)
  controller.abort()
  await assert.rejects(waiting, { name: 'AbortError' })
  asked.reject(new Error('too late'))
  await new Promise((resolve) => setImmediate(resolve))
})

test('nobody is asked for a signal that has ended already', async () => {
  await assert.rejects(
    unlessAborted(() => assert.fail('asked'), AbortSignal.abort()),
    { name: 'AbortError' },
  )
})
