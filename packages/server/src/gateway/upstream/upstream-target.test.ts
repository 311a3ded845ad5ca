import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutPrefix } from './upstream-target.ts'

for (const [path, segments, expected] of [
  ['/billing/invoices/7', 1, '/invoices/7'],
  ['/billing/invoices/7', 2, '/7'],
  ['/billing', 1, '/'],
  ['/billing/', 1, '/'],
  ['/a/b/', 1, '/b/'],
  ['/a', 0, '/a'],
  ['/', 0, '/'],
] as const) {
  test(`${path} without ${segments} is ${expected}`, () =>
    assert.equal(withoutPrefix(path, segments), expected))
}
