import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startAdmin } from '../../../../test/issuer/admin.ts'
import { createMemoryStore } from '../store/memory.ts'

const may = { billing: { roles: ['reader'] } }

test('of two who edit the same revision one is told to read again, and loses nothing', async (t) => {
  const stand = await startAdmin()
  t.after(stand.close)
  const { id } = (await stand.ask('POST', '/clients', { body: { may } })).json as { id: string }
  const headers = { 'If-Match': '"1"' }
  const answers = await Promise.all([
    stand.ask('POST', `/clients/${id}/disable`, { headers }),
    stand.ask('PUT', `/clients/${id}`, { body: { may, name: 'renamed' }, headers }),
  ])
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412])
})

test('who may not change a client may not disable, enable or remove it', async (t) => {
  const stand = await startAdmin()
  t.after(stand.close)
  const admin = { may: { countersign: { scopes: ['keys:write'] } } }
  const { id } = (await stand.ask('POST', '/clients', { body: admin })).json as { id: string }
  const [less, reader] = await Promise.all([
    stand.token({ scope: 'clients:read clients:write' }),
    stand.token({ scope: 'clients:read' }),
  ])
  const headers = { 'If-Match': '*' }
  for (const [method, path] of [
    ['POST', `/clients/${id}/disable`],
    ['POST', `/clients/${id}/enable`],
    ['DELETE', `/clients/${id}`],
  ] as const) {
    assert.equal((await stand.ask(method, path, { headers, token: less })).json['code'], 'above-caller')
    assert.equal((await stand.ask(method, path, { headers, token: reader })).status, 403)
    assert.equal((await stand.ask(method, path)).json['code'], 'revision-missing')
  }
  assert.equal((await stand.ask('GET', `/clients/${id}`)).json['disabled'], false)
})

test('a list of revocations that cannot be read back does not undo what is written', async (t) => {
  const store = createMemoryStore()
  const stand = await startAdmin({ store })
  t.after(stand.close)
  const { id } = (await stand.ask('POST', '/clients', { body: { may } })).json as { id: string }
  store.readClientChanges = async () => Promise.reject(new Error('away'))
  const answer = await stand.ask('POST', `/clients/${id}/disable`, { headers: { 'If-Match': '*' } })
  assert.equal(answer.status, 200)
  assert.equal((await store.readRevocations(0))?.revocations.length, 2)
})
