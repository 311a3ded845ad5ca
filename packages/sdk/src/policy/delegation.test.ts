import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { lineageOf, mayAct, nestActors } from './delegation.ts'
import type { Actor } from './principal.ts'

const iss = 'https://issuer.example'

describe('actors', () => {
  test('the one who acts now is outermost, those before are nested', () => {
    const before: Actor = {
      subject: 'b',
      issuer: iss,
      actor: { subject: 'a', issuer: undefined, actor: undefined },
    }
    assert.deepEqual(nestActors({ sub: 'c', iss }, before), {
      sub: 'c',
      iss,
      act: { sub: 'b', iss, act: { sub: 'a' } },
    })
    assert.deepEqual(nestActors({ sub: 'c' }, undefined), { sub: 'c' })
  })

  test('no more than a guard reads', () => {
    const chain = (length: number): Actor | undefined =>
      length === 0 ? undefined : { subject: `${length}`, issuer: undefined, actor: chain(length - 1) }
    assert.ok(nestActors({ sub: 'c' }, chain(15)))
    assert.equal(nestActors({ sub: 'c' }, chain(16)), undefined)
  })
})

describe('may_act', () => {
  const actor = { sub: 'billing-api', iss }
  for (const claim of [
    undefined,
    { sub: 'billing-api' },
    { client_id: 'billing-api' },
    { sub: 'billing-api', iss },
    { sub: 'billing-api', client_id: 'billing-api', iss },
  ]) {
    test(`lets: ${JSON.stringify(claim)}`, () => assert.equal(mayAct(claim, actor), true))
  }
  for (const claim of [
    null,
    '',
    'billing-api',
    [],
    [{ sub: 'billing-api' }],
    {},
    { iss },
    { sub: 'Billing-api' },
    { sub: ['billing-api'] },
    { sub: 'billing-api', iss: 'https://other.example' },
    { sub: 'billing-api', client_id: 'other' },
    { sub: 'billing-api', department: 'sales' },
    { sub: 'billing-api', toString: 'x' },
  ]) {
    test(`refuses: ${JSON.stringify(claim)}`, () => assert.equal(mayAct(claim, actor), false))
  }
})

describe('lineage', () => {
  const older = [{ iss, jti: 'root' }]

  test('the parent first, then whatever it descends from', () => {
    const parent = { issuer: iss, tokenId: 'p', claims: { lineage: older }, own: true }
    assert.deepEqual(lineageOf(parent), [{ iss, jti: 'p' }, ...older])
  })

  test('what another issuer says of its tokens’ descent is not carried on', () => {
    const parent = { issuer: 'https://login.example', tokenId: 'p', claims: { lineage: older }, own: false }
    assert.deepEqual(lineageOf(parent), [{ iss: 'https://login.example', jti: 'p' }])
  })

  test('a parent without an id', () => {
    assert.deepEqual(lineageOf({ issuer: iss, tokenId: undefined, claims: {}, own: false }), [])
    const odd = {
      issuer: iss,
      tokenId: undefined,
      claims: { lineage: [...older, null, 'x', { jti: 1 }] },
      own: true,
    }
    assert.deepEqual(lineageOf(odd), older)
  })
})
