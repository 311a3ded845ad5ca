import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTraceContext, traceLines } from './trace-context.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const parentId = 'b7ad6b7169203331'
const good = `00-${traceId}-${parentId}-01`

test('a good one is passed on as it is', () => {
  const trace = readTraceContext([
    'Accept',
    '*/*',
    'TraceParent',
    good,
    'tracestate',
    'a=1',
    'TRACESTATE',
    'b@c=2,d=3',
  ])
  assert.deepEqual(trace, {
    traceparent: good,
    tracestate: 'a=1,b@c=2,d=3',
    traceId,
    parentId,
    isSampled: true,
  })
  assert.equal(traceLines(trace!), `traceparent: ${good}\r\ntracestate: a=1,b@c=2,d=3\r\n`)
  assert.equal(readTraceContext(['traceparent', `00-${traceId}-${parentId}-00`])?.isSampled, false)
  // A later version, with more behind.
  assert.ok(readTraceContext(['traceparent', `cc-${traceId}-${parentId}-01-what-the-future-brings`]))
})

test('a malformed traceparent is as if there were none, with its tracestate', () => {
  for (const value of [
    '',
    good.toUpperCase(),
    `${good}-more`,
    `${good} `,
    `ff-${traceId}-${parentId}-01`,
    `00-${'0'.repeat(32)}-${parentId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId}-${parentId}-1`,
    `00-${traceId}${parentId}-01`,
    `cc-${traceId}-${parentId}-01.what`,
    `cc-${traceId}-${parentId}-01-${'x'.repeat(300)}`,
    `00-${traceId}-${parentId}-0g`,
  ]) {
    assert.equal(readTraceContext(['traceparent', value, 'tracestate', 'a=1']), undefined, value)
  }
  assert.equal(readTraceContext(['traceparent', good, 'traceparent', good]), undefined)
  assert.equal(readTraceContext(['tracestate', 'a=1']), undefined)
})

test('a malformed tracestate is dropped, and the trace goes on', () => {
  for (const value of [
    '',
    ',',
    'a',
    '=1',
    'A=1',
    'a=1,a=2',
    'a=1=2',
    'a=\u00e9',
    'a@b@c=1',
    `a=${'x'.repeat(600)}`,
    Array.from({ length: 33 }, (_, index) => `k${index}=1`).join(),
  ]) {
    assert.equal(readTraceContext(['traceparent', good, 'tracestate', value])?.tracestate, '', value)
  }
})
