import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allCheck, anyCheck, claimCheck, notCheck, roleCheck, scopeCheck } from './check.ts'
import { fails, holds, readPredicate, unknown } from './predicate.ts'
import type { Principal } from './principal.ts'

const principal: Principal = {
  kind: 'client',
  issuer: 'https://issuer.example',
  subject: 'orders',
  clientId: 'orders',
  actor: undefined,
  scopes: new Set(['read']),
  roles: new Set(),
  tokenId: undefined,
  expiresAtSeconds: 2_000,
  claims: { tenant: 'acme' },
}

const yes = scopeCheck('read')
const no = scopeCheck('write')
// The principal has no roles at all, so nothing is known of this one.
const maybe = roleCheck('admin')

test('leaves', () => {
  assert.equal(yes.test(principal), holds)
  assert.equal(no.test(principal), fails)
  assert.equal(maybe.test(principal), unknown)
  assert.equal(roleCheck('admin').test({ ...principal, roles: new Set(['reader']) }), fails)
  const [tenant] = readPredicate('tenant', { equals: 'acme' }, 'test').map(claimCheck)
  assert.equal(tenant!.test(principal), holds)
  assert.deepEqual(no.denial, { reason: 'scope-missing', detail: 'needs scope "write"' })
  assert.deepEqual(maybe.denial, { reason: 'role-missing', detail: 'needs role "admin"' })
  assert.equal(tenant!.denial.reason, 'claim-refused')
})

test('the truth tables of Kleene', () => {
  const all = { [holds]: yes, [fails]: no, [unknown]: maybe }
  const verdicts = [holds, fails, unknown] as const
  const order = [fails, unknown, holds]
  for (const left of verdicts) {
    for (const right of verdicts) {
      const parts = [all[left], all[right]]
      const ranks = [order.indexOf(left), order.indexOf(right)]
      assert.equal(allCheck(parts).test(principal), order[Math.min(...ranks)], `${left} and ${right}`)
      assert.equal(anyCheck(parts).test(principal), order[Math.max(...ranks)], `${left} or ${right}`)
    }
    assert.equal(notCheck(all[left]).test(principal), order[2 - order.indexOf(left)], `not ${left}`)
  }
})

test('compounds say what they are made of', () => {
  const check = anyCheck([allCheck([no, maybe]), notCheck(yes)])
  assert.equal(check.text, 'any of (all of (scope "write"; role "admin"); not (scope "read"))')
  assert.deepEqual(check.denial, { reason: 'scope-missing', detail: `needs ${check.text}` })
  assert.equal(check.parts.length, 2)
  assert.equal(allCheck([yes]), yes, 'one part needs no wrapping')
})
