import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readRetryAfter } from './retry-after.ts'

const nowMs = Date.parse('2026-11-22T08:00:00Z')

for (const [value, seconds] of [
  [undefined, undefined],
  [null, undefined],
  ['', undefined],
  ['soon', undefined],
  ['0', 0],
  ['-5', undefined],
  [' 7 ', 7],
  [' ', undefined],
  ['5, 10', undefined],
  ['0x10', undefined],
  ['1.5', undefined],
  ['soon 2099', undefined],
  ['retry after 12/31/2030', undefined],
  ['120', 120],
  ['3600', 3600],
  ['86400', 3600],
  ['Sun, 22 Nov 2026 08:30:00 GMT', 1800],
  ['Sun, 22 Nov 2026 07:00:00 GMT', 0],
  ['Mon, 23 Nov 2026 08:00:00 GMT', 3600],
] as const) {
  test(`${value} is ${seconds} s`, () => assert.equal(readRetryAfter(value, nowMs), seconds))
}
