import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { test } from 'node:test'
import fc from 'fast-check'
import { ResponseParser } from './response-parser.ts'
import type { ResponseFault } from './response-parser.ts'
import { openUpstream } from '../../../../../test/gateway/stand.ts'

test('a counted reply', () => {
  const reply = parse('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')
  assert.deepEqual(reply, {
    status: 200,
    framing: 'counted',
    body: 'hello',
    ended: true,
    fault: undefined,
    reusable: true,
  })
})

test('a chunked reply; extensions and trailers are dropped', () => {
  const reply = parse(
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n00a\r\n0123456789\r\n0\r\nX-Trailer: y\r\n\r\n',
  )
  assert.deepEqual(reply, { ...whole, framing: 'chunked', body: 'hello0123456789' })
})

test('a reply until the connection closes', () => {
  const reply = parse('HTTP/1.1 200 OK\r\n\r\nhello', { close: true })
  assert.deepEqual(reply, { ...whole, framing: 'until-close', body: 'hello', reusable: false })
})

test('replies without a body', () => {
  assert.equal(parse('HTTP/1.1 204 No Content\r\n\r\n').framing, 'none')
  assert.equal(parse('HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n').framing, 'none')
  assert.equal(parse('HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n', { head: true }).framing, 'none')
  assert.equal(parse('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', { head: true }).ended, true)
  assert.deepEqual(parse('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'), {
    ...whole,
    framing: 'counted',
    body: '',
  })
})

test('interim replies are skipped, a few of them', () => {
  const interim = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'
  assert.equal(parse(`${interim.repeat(3)}HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx`).body, 'x')
  assert.equal(parse(interim.repeat(20)).fault, 'interim-excess')
})

test('switching protocols is refused: nobody asked for it', () => {
  assert.equal(
    parse('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n').fault,
    'upgrade-unasked',
  )
})

test('a connection is not reused after close, HTTP/1.0, or bytes nobody asked for', () => {
  assert.equal(parse('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx').reusable, false)
  assert.equal(parse('HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx').reusable, false)
  const two = parse('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n')
  assert.deepEqual([two.body, two.ended, two.fault, two.reusable], ['x', true, 'unasked', false])
  assert.equal(parse('HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\nx').fault, 'unasked')
})

test('bytes before any request are refused', () => {
  const parser = new ResponseParser({ head() {}, body() {}, end() {} }, 1024)
  assert.equal(parser.push(Buffer.from('HTTP/1.1 200 OK\r\n\r\n')), 'unasked')
})

test('a reply that breaks off is cut short', () => {
  assert.equal(parse('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel', { close: true }).fault, 'cut-short')
  assert.equal(
    parse('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', { close: true }).fault,
    'cut-short',
  )
  assert.equal(
    parse('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n', { close: true }).fault,
    'cut-short',
  )
  assert.equal(parse('HTTP/1.1 200', { close: true }).fault, 'cut-short')
  assert.equal(parse('', { close: true }).fault, 'cut-short')
})

test('refuses framing that two readers could take differently', () => {
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  const cases: readonly (readonly [text: string, fault: ResponseFault])[] = [
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n', 'length-ambiguous'],
    ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'length-ambiguous'],
    [`${chunked}0x5\r\nhello\r\n`, 'chunk-malformed'],
    [`${chunked}-5\r\nhello\r\n`, 'chunk-malformed'],
    [`${chunked} 5\r\nhello\r\n`, 'chunk-malformed'],
    [`${chunked}5 \r\nhello\r\n`, 'chunk-malformed'],
    [`${chunked}5\nhello\r\n`, 'chunk-malformed'],
    [`${chunked}\r\n`, 'chunk-malformed'],
    [`${chunked};a\r\n`, 'chunk-malformed'],
    [`${chunked}5\r\nhelloX\r\n`, 'chunk-malformed'],
    [`${chunked}5\r\nhello\n`, 'chunk-malformed'],
    [`${chunked}5\r\nhello\rX`, 'chunk-malformed'],
    [`${chunked}5;\0\r\n`, 'chunk-malformed'],
    [`${chunked}5;a\n\r\n`, 'chunk-malformed'],
    [`${chunked}00000000000005\r\nhello\r\n`, 'chunk-malformed'],
    [`${chunked}ffffffffffffffff\r\n`, 'chunk-malformed'],
    [`${chunked}0\r\nX: y\n\r\n`, 'chunk-malformed'],
    [`${chunked}5;${'e'.repeat(2_000)}`, 'chunk-malformed'],
    [`${chunked}0\r\n${'X: y\r\n'.repeat(500)}`, 'head-oversize'],
    [`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(2_000)}`, 'head-oversize'],
    [`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(2_000)}\r\n\r\n`, 'head-oversize'],
  ]
  for (const [text, fault] of cases) {
    assert.equal(parse(text).fault, fault, JSON.stringify(text.slice(0, 90)))
    // Byte by byte it must be found out as well, and at the same place.
    assert.equal(
      parse(text, { cuts: [...Array(text.length).keys()] }).fault,
      fault,
      `split: ${JSON.stringify(text.slice(0, 90))}`,
    )
  }
})

test('how the bytes are cut into packets changes nothing', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 40 }), { maxLength: 6 }),
      fc.boolean(),
      fc.array(fc.nat(400), { maxLength: 12 }),
      (pieces, chunked, cuts) => {
        const body = pieces.join('')
        const text = chunked
          ? `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('')}0\r\n\r\n`
          : `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
        assert.deepEqual(parse(text, { cuts }), { ...whole, framing: chunked ? 'chunked' : 'counted', body })
      },
    ),
  )
})

test('random bytes never end as a reply, nor throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, withStart) => {
      const text = (withStart ? 'HTTP/1.1 200 OK\r\n' : '') + Buffer.from(bytes).toString('latin1')
      const reply = parse(text, { close: true })
      // Only an empty line makes a head.
      if (!text.includes('\r\n\r\n')) assert.equal(reply.ended, false)
    }),
  )
})

test('whatever it takes, Node’s own client takes too, and means the same by it', async (t) => {
  let text = ''
  const upstream = await openUpstream((socket) => socket.end(text, 'latin1'))
  t.after(() => upstream.close())
  let taken = 0
  await fc.assert(
    fc.asyncProperty(mutatedReplies, async (reply) => {
      const ours = parse(reply, { close: true })
      if (!ours.ended || ours.fault !== undefined) return
      taken += 1
      text = reply
      assert.deepEqual(await askNode(upstream.url), { status: ours.status, body: ours.body })
    }),
    { numRuns: 400 },
  )
  assert.ok(taken > 40, `only ${taken} replies were taken`)
})

/** Replies that are almost right: pieces of good ones, some of them replaced, doubled or left out. */
const mutatedReplies = fc
  .array(
    fc.constantFrom(
      'Content-Length: 5\r\n',
      'Content-Length: 3\r\n',
      'content-length:5\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Transfer-Encoding: gzip\r\n',
      'Connection: close\r\n',
      'X-A: b\r\n',
      'X-A:\t b \r\n',
      ' folded\r\n',
      'X : y\r\n',
      'X: y\n',
      'X\r\n',
    ),
    { maxLength: 3 },
  )
  .chain((headers) =>
    fc
      .tuple(
        fc.constantFrom(
          'HTTP/1.1 200 OK\r\n',
          'HTTP/1.0 200 OK\r\n',
          'HTTP/1.1 200\r\n',
          'HTTP/1.1 204 No\r\n',
          'HTTP/1.1 99 X\r\n',
        ),
        fc.constantFrom(
          'hello',
          'hel',
          '5\r\nhello\r\n0\r\n\r\n',
          '5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n',
          '5\nhello\r\n0\r\n\r\n',
          '05\r\nhello\r\n000\r\n\r\n',
          '',
        ),
      )
      .map(([status, body]) => `${status}${headers.join('')}\r\n${body}`),
  )

function askNode(url: string): Promise<{ status: number; body: string } | string> {
  return new Promise((resolve) => {
    const request = httpRequest(url, { agent: false }, (reply) => {
      let body = ''
      reply.setEncoding('latin1')
      reply.on('data', (chunk: string) => (body += chunk))
      reply.on('error', (error) => resolve(error.message))
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, body }))
    })
    request.on('error', (error) => resolve(error.message))
    request.end()
  })
}

type Parsed = {
  status: number
  framing: string
  body: string
  ended: boolean
  fault: ResponseFault | undefined
  reusable: boolean
}

function parse(
  text: string,
  {
    head = false,
    close = false,
    cuts = [],
  }: { head?: boolean; close?: boolean; cuts?: readonly number[] } = {},
): Parsed {
  const parsed: Parsed = { status: 0, framing: '', body: '', ended: false, fault: undefined, reusable: false }
  const parser = new ResponseParser(
    {
      head: ({ status }, framing) => Object.assign(parsed, { status, framing }),
      body: (chunk) => (parsed.body += chunk.toString('latin1')),
      end: () => (parsed.ended = true),
    },
    1024,
  )
  parser.expect(head)
  const bytes = Buffer.from(text, 'latin1')
  const ends = [...new Set(cuts.filter((cut) => cut < bytes.length))].sort((a, b) => a - b)
  let start = 0
  for (const end of [...ends, bytes.length]) {
    // As a socket does it: one memory, read into again and again.
    const piece = Buffer.from(bytes.subarray(start, end))
    parsed.fault ??= parser.push(piece)
    piece.fill(0x21)
    start = end
    if (parsed.fault !== undefined) break
  }
  if (close) parsed.fault ??= parser.close()
  parsed.reusable = parser.reusable
  return parsed
}

const whole: Parsed = { status: 200, framing: '', body: '', ended: true, fault: undefined, reusable: true }
