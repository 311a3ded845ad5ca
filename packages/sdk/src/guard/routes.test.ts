import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Requirement } from '../policy/policy.ts'
import { canonicalPath } from '../policy/path.ts'
import { compileGate, readRoutes } from './routes.ts'

test('routes carry what they ask for', () => {
  const routes = readRoutes({
    'GET /health': 'open',
    'POST /invoices': { roles: 'admin', scopes: ['a', 'b'] },
  })
  const path = canonicalPath('/invoices')
  assert.ok('segments' in path)
  const match = routes.match('POST', path)
  assert.ok(match.kind === 'route')
  assert.equal(match.route.template, '/invoices')
  assert.equal(match.route.isOpen, false)
  assert.deepEqual(match.route.scopes, ['a', 'b'])
  assert.equal(routes.match('GET', path).kind, 'method-unknown')
})

test('only open is open', () => {
  assert.equal(compileGate('open', 'x').isOpen, true)
  assert.equal(compileGate('authenticated', 'x').isOpen, false)
  assert.equal(compileGate({ roles: 'a' }, 'x').isOpen, false)
})

for (const [routes, code, message] of [
  [{}, 'route-invalid', 'routes: no route, so every request would be refused'],
  [{ '/health': 'open' }, 'route-invalid', 'routes: "/health" is no route'],
  [{ 'GET  /health': 'open' }, 'route-invalid', 'routes: "GET  /health" is no route'],
  [{ 'get /health': 'open' }, 'route-invalid', '/health: "get" is no method'],
  [{ 'GET health': 'open' }, 'route-invalid', 'health: a template starts with a slash'],
  [{ 'GET /health': 'opne' }, 'policy-invalid', 'routes["GET /health"]: expected a policy'],
  [{ 'GET /a': { rols: 'x' } }, 'option-unknown', 'routes["GET /a"]: unknown option "rols"'],
  [
    { 'GET /{a}': 'open', 'GET /{b}': 'authenticated' },
    'route-conflict',
    'GET /{b}: matches the same requests as GET /{a}',
  ],
] as const) {
  test(`${JSON.stringify(routes)} is refused`, () => {
    assert.throws(() => readRoutes(routes as unknown as Record<string, Requirement>), { code, message })
  })
}
