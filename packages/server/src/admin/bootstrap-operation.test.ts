import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStore } from '../store/memory.ts'
import { bootstrapOperation, bootstrapRequest } from './bootstrap-operation.ts'
import type { AdminParts, AdminRequest } from './operation.ts'

test('a code that comes while the store fails has made nobody, and is good once more', async () => {
  const store = createMemoryStore()
  let uses = 0
  const parts = {
    store,
    code: { fits: () => true, useUp: () => void uses++ },
    issuer: { managed: { refresh: async () => {} } },
  } as unknown as AdminParts
  const request = { body: { code: 'x' }, nowMs: 0 } as unknown as AdminRequest
  const failing = {
    ...parts,
    store: { ...store, writeClient: async () => Promise.reject(new Error('full')) },
  }
  await assert.rejects(async () => bootstrapOperation.run(request, failing))
  assert.equal(await store.findClient({ request: bootstrapRequest }), undefined)
  assert.equal(uses, 0)
  assert.equal((await bootstrapOperation.run(request, parts)).status, 201)
  assert.equal(uses, 1)
  assert.equal((await bootstrapOperation.run(request, parts)).status, 403)
})

test('what is no code is refused before any is used up', async () => {
  const parts = { code: { fits: () => assert.fail('asked') } } as unknown as AdminParts
  for (const body of [{}, { code: 7 }, { code: 'x'.repeat(129) }, { code: 'x', more: 1 }]) {
    const reply = await bootstrapOperation.run({ body, nowMs: 0 } as unknown as AdminRequest, parts)
    assert.equal(reply.status, 400)
  }
})
