import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forwardedLines } from './forwarded.ts'
import { replyHeaders, upstreamFields } from './headers.ts'
import type { GatedRequest } from '../front/request-gate.ts'
import { parseResponseHead } from './response-head.ts'

test('what the client may say comes first, what only we may say last, framing anew', () => {
  const head = upstreamFields(
    [
      'Host',
      'gateway',
      'Accept',
      '*/*',
      'Countersign-Subject',
      'root',
      'countersign_roles',
      '["admin"]',
      'X-Forwarded-For',
      '1.2.3.4',
      'Connection',
      'X-Trace',
      'X-Trace',
      '1',
      'Transfer-Encoding',
      'chunked',
      'TE',
      'trailers',
      'Authorization',
      'Bearer t',
      'Via',
      '1.1 edge',
      'X-Name',
      'caf\xe9',
    ],
    { ...gated, body: 'chunked', dropped: ['x-trace'] },
    forwardedLines({ address: '10.0.0.9', protocol: 'http' }, 'gateway'),
    'Via: 1.1 us\r\n',
    'Countersign-Subject: orders\r\n',
  )
  assert.equal(
    head,
    [
      'Accept: */*',
      'Authorization: Bearer t',
      'Via: 1.1 edge',
      'X-Name: caf\xe9',
      'X-Forwarded-For: 10.0.0.9',
      'X-Forwarded-Proto: http',
      'X-Forwarded-Host: gateway',
      'Via: 1.1 us',
      'Countersign-Subject: orders',
      'Transfer-Encoding: chunked',
      '',
      '',
    ].join('\r\n'),
  )
})

test('a length is written from the number, and nothing without a body', () => {
  const head = (body: GatedRequest['body']): string => upstreamFields([], { ...gated, body }, '', '', '')
  assert.equal(head(12), 'Content-Length: 12\r\n\r\n')
  assert.equal(head(0), 'Content-Length: 0\r\n\r\n')
  assert.equal(head('none'), '\r\n')
})

test('a reply loses what is hop by hop, what its Connection names, and its framing', () => {
  const text =
    'HTTP/1.1 200 OK\r\nServer: x\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nSet-Cookie: a=1\r\n' +
    'Set-Cookie: b=2\r\ncontent-length: 3\r\nTrailer: x\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\n\r\n'
  const head = parseResponseHead(Buffer.from(text), 0)
  assert.ok(typeof head !== 'string')
  assert.deepEqual(replyHeaders(head), ['Server', 'x', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'])
})

const gated: GatedRequest = {
  kind: 'request',
  method: 'POST',
  target: '/x',
  host: undefined,
  body: 'none',
  dropped: undefined,
  via: undefined,
  websocket: false,
}
