import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readForm } from '../http/form.ts'
import { isRefusal } from '../http/refusal.ts'
import { chooseTarget, compileRights, narrow } from './rights.ts'
import type { Granted } from './rights.ts'
import { orders, shop, trust } from '../../../../../test/issuer/fixture.ts'

const { services } = trust()

test('a client’s rights are those of its may, for services that exist', () => {
  assert.deepEqual(
    compileRights(orders, services).all.map(({ audience, roles }) => [audience, roles]),
    [['https://billing.acme.example', ['reader']]],
  )
  const stale = { ...orders, may: [{ service: 'gone', roles: [], scopes: [] }] }
  assert.deepEqual(compileRights(stale, services).all, [])
})

test('the service is named by audience, by name or as a resource, or is the only one', () => {
  for (const form of [
    'audience=stock',
    'audience=https://stock.acme.example',
    'resource=https://stock.acme.example',
    'audience=stock&resource=https://stock.acme.example',
  ]) {
    assert.equal(target(form)?.service, 'stock', form)
  }
  for (const form of [
    '',
    'resource=stock',
    'audience=Stock',
    'audience=stock&audience=billing',
    'audience=x',
  ]) {
    assert.equal(target(form), undefined, form)
  }
  const only = chooseTarget(compileRights(orders, services), formOf(''))
  assert.ok(!isRefusal(only) && only.service === 'billing')
})

test('names are narrowed, never widened', () => {
  assert.deepEqual(narrow(['a', 'b'], undefined, 'scope'), ['a', 'b'])
  assert.deepEqual(narrow(['a', 'b'], 'b b', 'scope'), ['b'])
  for (const asked of ['c', 'a c', '', 'a  b', ' a']) {
    const outcome = narrow(['a', 'b'], asked, 'role')
    assert.ok('kind' in outcome && outcome.error === 'invalid_scope', asked)
  }
})

function target(body: string): Granted | undefined {
  const chosen = chooseTarget(compileRights(shop, services), formOf(body))
  return isRefusal(chosen) ? (assert.equal(chosen.error, 'invalid_target'), undefined) : chosen
}

function formOf(body: string) {
  const form = readForm('application/x-www-form-urlencoded', Buffer.from(body))
  assert.ok(!isRefusal(form))
  return form
}
