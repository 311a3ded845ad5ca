import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deny } from '@countersign/sdk/core'
import { silentLog } from '../log.ts'
import { createMemoryStore } from '../store/memory.ts'
import { createAdminAudit } from './admin-audit.ts'
import type { Visit } from './admin-audit.ts'

const visit: Visit = {
  nowMs: 0,
  clientId: 'ops',
  tokenId: 't1',
  operation: 'GET /admin/keys',
  address: '127.0.0.1',
}

test('a client is written down once a token, and nothing goes on without it', async () => {
  const store = createMemoryStore()
  const audit = createAdminAudit({ store, log: silentLog })
  await audit.entered(visit)
  await audit.entered(visit)
  await audit.entered({ ...visit, tokenId: 't2' })
  assert.equal((await store.readAudit(0, 9)).length, 2)
  await store.close()
  await audit.entered(visit)
  await assert.rejects(audit.entered({ ...visit, tokenId: 't3' }), { code: 'store-unavailable' })
  // It was not written, so it is not known.
  await assert.rejects(audit.entered({ ...visit, tokenId: 't3' }), { code: 'store-unavailable' })
})

test('a refusal waits for no store', async () => {
  const store = createMemoryStore()
  await store.close()
  const logged: string[] = []
  const error = (event: string): void => void logged.push(event)
  createAdminAudit({ store, log: { ...silentLog, error } }).refused(visit, deny('scope-missing', 'x'))
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(logged, ['admin.audit-failed'])
})
