import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Principal } from '@countersign/sdk/policy'
import { identityHeaders } from './identity.ts'

test('says who acts, with what', () => {
  const lines = linesOf({
    subject: 'user-17',
    clientId: 'orders',
    roles: new Set(['reader', 'admin']),
    scopes: new Set(['invoices:read', 'invoices:write']),
    tokenId: 'token-1',
    actor: { subject: 'shop', issuer: undefined, actor: undefined },
  })
  assert.deepEqual(lines, [
    'Countersign-Subject: user-17',
    'Countersign-Client: orders',
    'Countersign-Issuer: https://issuer.acme.example',
    'Countersign-Roles: ["reader","admin"]',
    'Countersign-Scopes: invoices:read invoices:write',
    'Countersign-Token-Id: token-1',
    'Countersign-Actor: shop',
  ])
})

test('an absent claim gives no header', () => {
  assert.deepEqual(linesOf({}), ['Countersign-Issuer: https://issuer.acme.example'])
})

test('what cannot stand in a header is percent-encoded, and comes back exactly', () => {
  assert.deepEqual(
    linesOf({ subject: 'a\r\nCountersign-Roles: ["admin"]' })[0],
    'Countersign-Subject: a%0D%0ACountersign-Roles: ["admin"]',
  )
  assert.deepEqual(linesOf({ subject: 'Zoë 100%' })[0], 'Countersign-Subject: Zo%C3%AB 100%25')
  assert.deepEqual(linesOf({ subject: ' padded ' })[0], 'Countersign-Subject: %20padded%20')
  assert.deepEqual(linesOf({ subject: 'nul\0' })[0], 'Countersign-Subject: nul%00')
})

test('any subject stays on its line and can be read back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }), (subject) => {
      const [line = ''] = linesOf({ subject })
      assert.match(line, /^Countersign-Subject: [\x20-\x7e]+$/)
      const value = line.slice('Countersign-Subject: '.length)
      assert.equal(value, value.trim())
      assert.equal(decodeURIComponent(value), subject)
    }),
  )
})

test('any roles are a JSON array in ASCII', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ unit: 'binary', maxLength: 20 }), { minLength: 1, maxLength: 5 }),
      (roles) => {
        const line =
          linesOf({ roles: new Set(roles) }).find((text) => text.startsWith('Countersign-Roles: ')) ?? ''
        assert.match(line, /^[\x20-\x7e]+$/)
        assert.deepEqual(JSON.parse(line.slice('Countersign-Roles: '.length)), roles)
      },
    ),
  )
})

test('one scope never looks like two', () => {
  assert.deepEqual(linesOf({ scopes: new Set(['read write']) })[1], 'Countersign-Scopes: read%20write')
})

test('a value that is too long refuses the token: cut short it might be somebody else', () => {
  const denial = identityHeaders({ ...nobody, subject: 'x'.repeat(5_000) })
  assert.ok(typeof denial !== 'string')
  assert.equal(denial.reason, 'claim-malformed')
  assert.ok(!denial.detail.includes('xxxx'))
})

function linesOf(principal: Partial<Principal>): string[] {
  const lines = identityHeaders({ ...nobody, ...principal })
  assert.ok(typeof lines === 'string')
  assert.ok(lines.endsWith('\r\n'))
  return lines.slice(0, -2).split('\r\n')
}

const nobody: Principal = {
  kind: 'client',
  issuer: 'https://issuer.acme.example',
  subject: undefined,
  clientId: undefined,
  actor: undefined,
  scopes: new Set(),
  roles: new Set(),
  tokenId: undefined,
  expiresAtSeconds: 0,
  claims: {},
}
