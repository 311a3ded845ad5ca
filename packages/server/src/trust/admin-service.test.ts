import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adminService } from './admin-service.ts'

test('the admin API has an audience of its own below the issuer', () => {
  assert.equal(adminService('https://issuer.acme.example').audience, 'https://issuer.acme.example/admin')
  assert.equal(adminService('https://acme.example/auth/').audience, 'https://acme.example/auth/admin')
})

test('the gateway has no way to it', () => {
  const { upstream, at, host, routes } = adminService('https://issuer.acme.example')
  assert.deepEqual(
    { upstream, at, host, routes },
    { upstream: undefined, at: undefined, host: undefined, routes: [] },
  )
})
