import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { test } from 'node:test'
import { createTestIssuer } from '../testing/memory-issuer.ts'
import { rememberAuth } from './auth-of.ts'
import { carriedBy, carriedSoFar } from './carried.ts'

test('each carrier has its own, made when it is first needed', () => {
  const [one, other] = [{}, {}]
  assert.equal(carriedSoFar(one), undefined)
  assert.equal(carriedBy(one), carriedBy(one))
  assert.equal(carriedSoFar(one), carriedBy(one))
  assert.notEqual(carriedBy(one), carriedBy(other))
})

test('nothing of it is printed, and no text can name it', async () => {
  const issuer = createTestIssuer()
  const rawHeaders = ['Authorization', issuer.authorization({ subject: 'alice' })]
  const request = { method: 'GET', target: '/', rawHeaders }
  const guard = issuer.guard()
  const decision = await guard.check(request, 'authenticated')
  assert.ok(decision.kind === 'allow')
  const carrier = {}
  carriedBy(carrier).request = request
  rememberAuth(carrier, decision.principal, guard)
  const printed = inspect(carrier, { depth: 9, showHidden: true }) + JSON.stringify(carrier)
  assert.ok(!printed.includes('alice') && !printed.includes('Bearer'), printed)
  assert.deepEqual(Object.keys(carrier), [])
})

test('an object that was copied or derived from a carrier is another one', () => {
  const carrier = {}
  carriedBy(carrier)
  for (const other of [{ ...carrier }, Object.assign({}, carrier), Object.create(carrier) as object]) {
    assert.equal(carriedSoFar(other), undefined)
    assert.notEqual(carriedBy(other), carriedBy(carrier))
    assert.equal(carriedBy(other), carriedBy(other))
  }
})
