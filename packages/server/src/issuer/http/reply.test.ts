import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { after, test } from 'node:test'
import { asciiJson, problemReply, send } from './reply.ts'
import type { Reply } from './reply.ts'

let reply: Reply = problemReply(404)
const server = createServer((request, response) => {
  send(request, response, reply)
  // A second answer to one request is dropped, not an exception.
  send(request, response, problemReply(500))
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
after(() => server.close())

test('head and body leave in one piece, with their length', async () => {
  reply = { status: 200, headers: ['Content-Type', 'text/plain', 'X-A', '1', 'X-A', '2'], body: 'hello' }
  const pieces = await exchange('GET')
  assert.equal(pieces.length, 1)
  const [head, body] = pieces[0]!.split('\r\n\r\n')
  assert.equal(body, 'hello')
  const lines = head!.split('\r\n')
  assert.equal(lines[0], 'HTTP/1.1 200 OK')
  for (const line of ['Content-Length: 5', 'X-A: 1', 'X-A: 2']) assert.ok(lines.includes(line), line)
  assert.ok(!lines.some((line) => line.startsWith('Transfer-Encoding')))
})

test('a request for the head gets the length but no body', async () => {
  const [text = ''] = await exchange('HEAD')
  assert.match(text, /Content-Length: 5\r\n/)
  assert.ok(text.endsWith('\r\n\r\n'))
})

test('304 has neither body nor length', async () => {
  reply = { status: 304, headers: ['ETag', '"a"'], body: '' }
  const [text = ''] = await exchange('GET')
  assert.match(text, /^HTTP\/1\.1 304 Not Modified\r\nETag: "a"\r\n/)
  assert.doesNotMatch(text, /Content-Length|Transfer-Encoding/)
})

test('JSON outside ASCII is escaped and means the same', () => {
  const value = { a: 'plain', b: 'ü', c: '\u{1f511}', d: '\u007f\u2028', e: undefined }
  const text = asciiJson(value)
  assert.match(text, /^[ -~]*$/)
  assert.deepEqual(JSON.parse(text), { a: 'plain', b: 'ü', c: '\u{1f511}', d: '\u007f\u2028' })
  assert.equal(asciiJson({ a: 'plain' }), '{"a":"plain"}')
})

test('a problem document says status and title', () => {
  const { status, headers, body } = problemReply(503, ['Retry-After', '5'])
  assert.equal(status, 503)
  assert.deepEqual(headers.slice(-2), ['Retry-After', '5'])
  assert.deepEqual(JSON.parse(body), { type: 'about:blank', title: 'Service Unavailable', status: 503 })
})

/** The pieces in which an answer arrives. */
async function exchange(method: string): Promise<string[]> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.end(`${method} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
  const pieces: string[] = []
  for await (const chunk of socket) pieces.push(String(chunk))
  return pieces
}
