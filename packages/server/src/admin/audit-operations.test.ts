import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startAdmin } from '../../../../test/issuer/admin.ts'
import { emptyChain, verifyChain } from '../store/audit-chain.ts'
import type { AuditHead, AuditRecord } from '../store/store.ts'

test('the audit log comes page by page, as it was hashed, and there is no way to change it', async (t) => {
  const stand = await startAdmin()
  t.after(stand.close)
  for (const name of ['a', 'Zoë']) await stand.ask('POST', '/clients', { body: { name } })
  const records: AuditRecord[] = []
  let head: AuditHead = emptyChain
  for (let after: unknown = '', pages = 0; after !== undefined && pages < 9; pages++) {
    const { json } = await stand.ask('GET', `/audit?limit=2&after=${String(after)}`)
    records.push(...(json['records'] as AuditRecord[]))
    head = json['head'] as AuditHead
    after = json['next']
  }
  assert.deepEqual(verifyChain(emptyChain, records), { kind: 'whole', head })
  assert.ok(records.length > 3)
  for (const method of ['POST', 'PUT', 'DELETE']) {
    assert.equal((await stand.ask(method, '/audit')).status, 405)
    assert.ok((await stand.ask(method, '/audit/1')).status >= 404)
  }
  for (const after of ['x', '-1']) assert.equal((await stand.ask('GET', `/audit?after=${after}`)).status, 400)
})
