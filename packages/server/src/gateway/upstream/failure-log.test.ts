import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FailureLog } from './failure-log.ts'
import type { LogFields } from '../../log.ts'
import { silentLog } from '../../log.ts'

test('one line a second for each kind of failure, with what was left out', () => {
  const lines: (readonly [string, LogFields | undefined])[] = []
  const log = new FailureLog({ ...silentLog, warn: (event, fields) => lines.push([event, fields]) })
  const billing = { service: 'billing', upstream: 'http://127.0.0.1:1' }
  for (let i = 0; i < 10; i++) log.write('upstream failed', 'unreachable', billing, 5_000 + i)
  log.write('upstream failed', 'closed', billing, 5_010)
  log.write('upstream failed', 'unreachable', billing, 6_000)
  assert.deepEqual(lines, [
    ['upstream failed', { ...billing, failure: 'unreachable' }],
    ['upstream failed', { ...billing, failure: 'closed' }],
    ['upstream failed', { ...billing, failure: 'unreachable', leftOut: 9 }],
  ])
})
