import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adminScopes } from '../trust/admin-service.ts'
import { adminOperations } from './operations.ts'

test('there is an operation for every scope, and what only looks asks for a scope to look', () => {
  const used = new Set(adminOperations.map(({ scope }) => scope))
  for (const scope of adminScopes) assert.ok(used.has(scope), scope)
  for (const { name, method, scope } of adminOperations) {
    if (scope === 'open' || scope === 'code') continue
    assert.ok(scope.endsWith(method === 'GET' ? ':read' : ':write'), name)
  }
})

test('only who shows the code gets by without a token', () => {
  const open = adminOperations.filter(({ scope }) => scope === 'open' || scope === 'code')
  assert.deepEqual(
    open.map(({ name }) => name),
    ['bootstrap'],
  )
})

test('what changes a client names its revision', () => {
  for (const { name, method, path, edits } of adminOperations) {
    assert.equal(edits === true, path.startsWith('/clients/') && method !== 'GET', name)
  }
})
