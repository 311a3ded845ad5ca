import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decisionRecord } from './decision.ts'
import type { Decided } from './decision.ts'

const decided: Decided = {
  method: 'GET',
  path: '/x',
  service: undefined,
  route: undefined,
  token: undefined,
  reason: undefined,
  detail: undefined,
  status: undefined,
}

test('each record has an id of its own', () => {
  const ids = new Set(Array.from({ length: 1_000 }, () => decisionRecord(decided).requestId))
  assert.equal(ids.size, 1_000)
})

test('a reason makes it a denial', () => {
  assert.equal(decisionRecord(decided).outcome, 'allow')
  assert.equal(decisionRecord({ ...decided, reason: 'token-expired', status: 401 }).outcome, 'deny')
})
