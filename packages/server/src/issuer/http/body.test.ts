import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { readBody } from './body.ts'

test('a body is read whole, in one piece or in many, up to its limit', async () => {
  assert.equal(await read(['hello']), 'hello')
  assert.equal(await read(['he', 'l', 'lo']), 'hello')
  assert.equal(await read([]), '')
  assert.equal(await read(['x'.repeat(10)]), 'x'.repeat(10))
})

test('of a body that comes byte by byte no piece is kept, only what was in it', async () => {
  const request = stream({})
  const outcomes: (Buffer | 'oversize')[] = []
  readBody(request, 48 * 1024, (body) => outcomes.push(body))
  const pieces: WeakRef<Buffer>[] = []
  for (let index = 0; index < 5000; index++) {
    const piece = Buffer.from(String.fromCharCode(97 + (index % 26)))
    pieces.push(new WeakRef(piece))
    request.emit('data', piece)
  }
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  const kept = pieces.filter((piece) => piece.deref() !== undefined).length
  assert.ok(kept < 10, `${kept} of ${pieces.length}`)
  ;(request as unknown as PassThrough).end()
  await new Promise((resolve) => request.once('end', () => setImmediate(resolve)))
  const [body] = outcomes
  assert.equal(String(body), 'abcdefghijklmnopqrstuvwxyz'.repeat(193).slice(0, 5000))
})

test('a body over the limit is given up at once, and reported once', async () => {
  assert.equal(await read(['x'.repeat(11)]), 'oversize')
  assert.equal(await read(['xxxxx', 'xxxxx', 'x', 'xxxx', 'xx']), 'oversize')
})

test('an announced length over the limit is given up before the first byte', () => {
  const request = stream({ 'content-length': '11' })
  const outcomes: unknown[] = []
  readBody(request, 10, (body) => outcomes.push(body))
  assert.deepEqual(outcomes, ['oversize'])
  assert.equal(request.readableFlowing, true)
})

test('a connection that breaks is nobody’s business', async () => {
  const request = stream({})
  const outcomes: unknown[] = []
  readBody(request, 10, (body) => outcomes.push(body))
  request.emit('data', Buffer.from('x'))
  request.destroy(new Error('aborted'))
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(outcomes, [])
})

function collect(): void {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
}

function stream(headers: Record<string, string>): IncomingMessage {
  return Object.assign(new PassThrough(), { headers }) as unknown as IncomingMessage
}

async function read(chunks: string[]): Promise<string> {
  const request = stream({})
  const outcomes: (Buffer | 'oversize')[] = []
  readBody(request, 10, (body) => outcomes.push(body))
  for (const chunk of chunks) (request as unknown as PassThrough).write(chunk)
  ;(request as unknown as PassThrough).end()
  await new Promise((resolve) => request.once('end', () => setImmediate(resolve)))
  assert.equal(outcomes.length, 1)
  return String(outcomes[0])
}
