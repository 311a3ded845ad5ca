import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareOf } from './share.ts'

test('together never more than there is', () => {
  assert.equal(shareOf(512, undefined, 'x'), 512)
  assert.equal(shareOf(512, 4, 'x'), 128)
  assert.equal(shareOf(7, 2, 'x'), 3)
  assert.equal(shareOf(2, 2, 'x'), 1)
})

test('less than one for each is said, not rounded up', () => {
  assert.throws(() => shareOf(3, 4, 'services.a.upstream.connections'), {
    code: 'trust-unusable',
    message: 'services.a.upstream.connections: 3 cannot be shared among 4 processes',
  })
})
