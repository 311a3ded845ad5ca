import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from './nearest.ts'

const known = ['issuer', 'audience', 'keySet', 'algorithms', 'aud']

for (const [word, expected] of [
  ['isuer', 'issuer'],
  ['issuers', 'issuer'],
  ['isseur', 'issuer'],
  ['keyset', 'keySet'],
  ['algoritms', 'algorithms'],
  ['AUDIENCE', 'audience'],
  ['aduience', 'audience'],
  ['aux', 'aud'],
  ['issuer', 'issuer'],
] as const) {
  test(`${word} means ${expected}`, () => {
    assert.equal(nearest(word, known), expected)
  })
}

for (const word of ['clock', 'x', '', 'abcdefgh', 'issuerissuerissuer', 'iuser-name']) {
  test(`nothing is near ${JSON.stringify(word)}`, () => {
    assert.equal(nearest(word, known), undefined)
  })
}

test('a swap of neighbours is nearer than two wrong letters', () => {
  assert.equal(nearest('form', ['foam', 'from', 'farm']), 'foam')
  assert.equal(nearest('abcd', ['abxy', 'abdc']), 'abdc')
})

test('nothing is near where nothing is known', () => {
  assert.equal(nearest('issuer', []), undefined)
})
