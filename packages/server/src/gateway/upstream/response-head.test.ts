import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseResponseHead } from './response-head.ts'
import type { ResponseHead } from './response-head.ts'

test('reads a status line and headers', () => {
  const head = read(
    'HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nX-Empty:\r\nX-Padded: \t a b \t\r\n\r\n',
  )
  assert.equal(head.status, 404)
  assert.equal(head.minor, 1)
  assert.deepEqual(head.headers, ['Content-Type', 'text/plain', 'X-Empty', '', 'X-Padded', 'a b'])
  assert.equal(head.keepAlive, true)
  assert.equal(head.contentLength, undefined)
  assert.equal(head.chunked, false)
})

test('the reason phrase may be missing, and its space with it', () => {
  assert.equal(read('HTTP/1.1 200 \r\n\r\n').status, 200)
  assert.equal(read('HTTP/1.1 200\r\n\r\n').status, 200)
  assert.equal(read('HTTP/1.0 599 \xe9\r\n\r\n').status, 599)
})

test('starts where it is told, and says where it ended', () => {
  const bytes = Buffer.from('xxHTTP/1.1 200 OK\r\nA: b\r\n\r\nbody', 'latin1')
  const head = parseResponseHead(bytes, 2)
  assert.ok(typeof head !== 'string')
  assert.equal(bytes.toString('latin1', head.end), 'body')
  assert.deepEqual(head.headers, ['A', 'b'])
})

test('reads framing and connection', () => {
  const head = read(
    'HTTP/1.1 200 OK\r\ncontent-length: 12\r\nConnection: Close, X-Secret\r\nKeep-Alive: timeout=7, max=3\r\n\r\n',
  )
  assert.equal(head.contentLength, 12)
  assert.equal(head.keepAlive, false)
  assert.deepEqual(head.connectionNames, ['close', 'x-secret'])
  assert.equal(head.keepAliveSeconds, 7)
  assert.equal(read('HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n').chunked, true)
  assert.equal(read('HTTP/1.0 200 OK\r\n\r\n').keepAlive, false)
  assert.equal(read('HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n').keepAlive, true)
  assert.equal(read('HTTP/1.1 200 OK\r\nConnection: x\r\nConnection: close\r\n\r\n').keepAlive, false)
})

test('every beginning of a head is incomplete, never wrong', () => {
  const text = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\n'
  for (let length = 0; length < text.length; length++) {
    assert.equal(parseResponseHead(Buffer.from(text.slice(0, length)), 0), 'incomplete', String(length))
  }
})

test('refuses what an honest server does not send', () => {
  const cases: readonly (readonly [text: string, fault: string])[] = [
    ['HTTP/2.0 200 OK\r\n\r\n', 'status-malformed'],
    ['HTTP/1.2 200 OK\r\n\r\n', 'status-malformed'],
    ['http/1.1 200 OK\r\n\r\n', 'status-malformed'],
    ['ICY 200 OK\r\n\r\n', 'status-malformed'],
    ['HTTP/1.1  200 OK\r\n\r\n', 'status-malformed'],
    ['HTTP/1.1 20 OK\r\n\r\n', 'status-malformed'],
    ['HTTP/1.1 2000 OK\r\n\r\n', 'status-malformed'],
    ['HTTP/1.1 +20 OK\r\n\r\n', 'status-malformed'],
    ['HTTP/1.1 099 OK\r\n\r\n', 'status-malformed'],
    ['HTTP/1.1 600 OK\r\n\r\n', 'status-malformed'],
    ['HTTP/1.1 200 O\0K\r\n\r\n', 'status-malformed'],
    ['HTTP/1.1 200 OK\n\n', 'status-malformed'],
    ['HTTP/1.1 200 OK\rX: y\r\n\r\n', 'status-malformed'],
    ['HTTP/1.1 200 OK\r\nA: b\n\r\n', 'header-malformed'],
    ['HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n', 'header-malformed'],
    ['HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n', 'header-malformed'],
    ['HTTP/1.1 200 OK\r\n A: b\r\n\r\n', 'header-malformed'],
    ['HTTP/1.1 200 OK\r\nA : b\r\n\r\n', 'header-malformed'],
    ['HTTP/1.1 200 OK\r\n: b\r\n\r\n', 'header-malformed'],
    ['HTTP/1.1 200 OK\r\nA\r\n\r\n', 'header-malformed'],
    ['HTTP/1.1 200 OK\r\nA\xe9: b\r\n\r\n', 'header-malformed'],
    ['HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n', 'header-malformed'],
    ['HTTP/1.1 200 OK\r\nA: b\x7fc\r\n\r\n', 'header-malformed'],
    ['HTTP/1.1 200 OK\r\n\rX', 'header-malformed'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n', 'length-ambiguous'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n', 'length-malformed'],
    ['HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n', 'length-malformed'],
    ['HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n', 'length-malformed'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999\r\n\r\n', 'length-malformed'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 'length-ambiguous'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n', 'length-ambiguous'],
    [
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n',
      'length-ambiguous',
    ],
    [`HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(257)}\r\n`, 'head-oversize'],
  ]
  for (const [text, fault] of cases) {
    assert.equal(parseResponseHead(Buffer.from(text, 'latin1'), 0), fault, JSON.stringify(text.slice(0, 80)))
  }
})

test('a long head is cut apart at the right places', () => {
  const value = 'v'.repeat(40_000)
  const head = read(`HTTP/1.1 200 OK\r\nA: ${value}\r\nB: ${value}\r\nC: d\r\n\r\n`)
  assert.deepEqual(head.headers.slice(4), ['C', 'd'])
  assert.equal(head.headers[3], value)
})

function read(text: string): ResponseHead {
  const head = parseResponseHead(Buffer.from(text, 'latin1'), 0)
  assert.ok(typeof head !== 'string', String(head))
  return head
}
