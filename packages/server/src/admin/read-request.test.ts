import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AdminOperation } from './operation.ts'
import { readAdminRequest } from './read-request.ts'

const operation: AdminOperation = {
  name: 'x',
  method: 'PUT',
  path: '/x',
  scope: 'open',
  about: '',
  query: { limit: { about: '', schema: {} } },
  answers: { status: 200 },
  run: () => ({ status: 200 }),
}
const status = (outcome: object): unknown => ('status' in outcome ? outcome.status : undefined)

test('query parameters are known and there once', () => {
  const read = (url: string) => readAdminRequest({ url, headers: {} }, operation)
  assert.equal(status(read('/x?limit=1')), undefined)
  for (const url of ['/x?limit=1&limit=1', '/x?limmit=1', '/x?__proto__=1'])
    assert.equal(status(read(url)), 400, url)
})

test('an edit names one revision, strongly, or any', () => {
  const read = (tag?: string) =>
    readAdminRequest(
      { url: '/x', headers: tag === undefined ? {} : { 'if-match': tag } },
      { ...operation, edits: true },
    )
  assert.deepEqual(read('"12"'), { query: new Map(), revision: 12, idempotencyKey: undefined })
  assert.deepEqual(read('*'), { query: new Map(), revision: undefined, idempotencyKey: undefined })
  assert.equal(status(read()), 428)
  for (const tag of ['W/"12"', '12', '"0"', '"012"', '"12", "13"', '"9999999999999999"'])
    assert.equal(status(read(tag)), 412, tag)
})

test('a key for repeating is long enough not to be somebody else’s', () => {
  const read = (key: string) =>
    readAdminRequest({ url: '/x', headers: { 'idempotency-key': key } }, { ...operation, repeatable: true })
  assert.deepEqual(read('12345678'), { query: new Map(), revision: undefined, idempotencyKey: '12345678' })
  for (const key of ['1234567', 'x'.repeat(129), 'with blank']) assert.equal(status(read(key)), 400, key)
})
