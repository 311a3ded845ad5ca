import { test } from 'node:test'
import assert from 'node:assert/strict'
import { billingAudience, otherAudience, people } from './people.ts'

test('the people differ in what they may do: one administrates, one reads, one may nothing', () => {
  assert.deepEqual(
    [...people.values()].map((person) => person.roles),
    [['admin'], ['reader'], []],
  )
})

test('audiences are absolute URIs without a fragment, as RFC 8707 asks, and differ', () => {
  for (const audience of [billingAudience, otherAudience]) assert.equal(new URL(audience).hash, '')
  assert.notEqual(billingAudience, otherAudience)
})
