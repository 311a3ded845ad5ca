import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DecisionRecord } from '../gateway/decision/decision.ts'
import { createLog, logFields } from './log.ts'
import { logDecision } from './decision-log.ts'

const record: DecisionRecord = {
  requestId: 'r-1',
  outcome: 'deny',
  method: 'GET',
  path: '/billing/invoices/7',
  service: 'billing',
  route: 'GET /invoices/{id}',
  line: 14,
  status: 403,
  reason: 'role-missing',
  detail: 'needs role "reader"',
  issuer: 'http://localhost:8080',
  subject: 'orders',
  clientId: 'orders',
  tokenId: 't-1',
  keyId: 'k-1',
}

test('a refusal is told to the operator, exactly', () => {
  const lines: string[] = []
  const log = createLog({ write: (line) => lines.push(line) })
  logDecision(log)(record)
  logDecision(log)({ ...record, outcome: 'allow', reason: undefined })
  assert.equal(lines.length, 1)
  const { time, level, event, ...rest } = JSON.parse(lines[0] ?? '') as Record<string, unknown>
  assert.deepEqual([typeof time, level, event], ['string', 'info', 'gateway.denied'])
  assert.deepEqual(rest, { ...record })
})

test('what was let through is there for who asks for it', () => {
  const lines: string[] = []
  logDecision(createLog({ level: 'debug', write: (line) => lines.push(line) }))({
    ...record,
    outcome: 'allow',
  })
  assert.equal(lines.length, 1)
})

test('every field of a record may be logged', () => {
  assert.deepEqual(
    Object.keys(record).filter((name) => !logFields.has(name)),
    [],
  )
})
