import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readText } from './read-text.ts'

test('a text in pieces, also where one ends within a letter', async () => {
  const bytes = Buffer.from('grüße')
  const body = new ReadableStream({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
      controller.close()
    },
  })
  assert.equal(await readText(new Response(body), bytes.length), 'grüße')
  assert.equal(await readText(new Response(null), 1), '')
})

test('one that is too long is let go, without end or with one', async () => {
  let cancelled = false
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(10)),
    cancel: () => void (cancelled = true),
  })
  assert.equal(await readText(new Response(body), 100), undefined)
  assert.ok(cancelled)
  assert.equal(await readText(new Response('12345'), 4), undefined)
})
