import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startAdmin } from '../../../../test/issuer/admin.ts'

test('tokens, subjects and clients are revoked, and listed page by page', async (t) => {
  const stand = await startAdmin()
  t.after(stand.close)
  for (const [kind, id] of [
    ['token', 'jti-1'],
    ['subject', 'alice'],
    ['client', 'shop'],
  ]) {
    assert.equal((await stand.ask('POST', '/revocations', { body: { kind, id } })).status, 204)
  }
  const first = await stand.ask('GET', '/revocations?limit=3')
  const second = await stand.ask('GET', `/revocations?after=${String(first.json['next'])}`)
  const listed = [first, second].flatMap(({ json }) => json['revocations'] as { kind: string; id: string }[])
  // A client is a subject as well: what others got in exchange for its tokens names it there.
  assert.deepEqual(listed.map(({ kind, id }) => `${kind} ${id}`).sort(), [
    'client shop',
    'subject alice',
    'subject shop',
    'token jti-1',
  ])
  const told = (await stand.audit()).filter(({ action }) => action === 'revocation.added')
  assert.deepEqual(
    told.map(({ actor, subject }) => `${actor} ${subject}`),
    ['client ops jti-1', 'client ops alice', 'client ops shop'],
  )
})

test('what says nothing that can be revoked is refused', async (t) => {
  const stand = await startAdmin()
  t.after(stand.close)
  for (const body of [
    {},
    { kind: 'token' },
    { kind: 'key', id: 'k' },
    { kind: 'token', id: 7 },
    { kind: 'token', id: '' },
    { kind: 'token', id: 'a\nb' },
    { kind: 'token', id: 'a', more: 1 },
  ]) {
    assert.equal((await stand.ask('POST', '/revocations', { body })).status, 400, JSON.stringify(body))
  }
  for (const after of ['x', '-1', '1.5']) {
    assert.equal((await stand.ask('GET', `/revocations?after=${after}`)).status, 400, after)
  }
})
