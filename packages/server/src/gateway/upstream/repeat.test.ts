import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRepeatable, ourOwnFailures, retriedFailures } from './repeat.ts'

test('what changes nothing more and has no body may be sent again', () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']) assert.ok(isRepeatable(method, 'none'))
  for (const method of ['POST', 'PATCH', 'get', 'LOCK']) assert.ok(!isRepeatable(method, 'none'))
  for (const body of [0, 1, 'chunked'] as const) assert.ok(!isRepeatable('PUT', body))
})

test('what says nothing about a target is no reason to try another', () => {
  for (const failure of retriedFailures) assert.ok(!ourOwnFailures.has(failure), failure)
})
