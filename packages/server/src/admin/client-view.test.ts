import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mintSecret } from '../issuer/clients/managed-client.ts'
import { clientBodySchema, clientView } from './client-view.ts'

test('a client is shown as the trust file would have it, and of a secret only its name', () => {
  const { kept } = mintSecret(1000)
  const settings = { may: { billing: {} } }
  const view = clientView({
    id: 'c1',
    revision: 3,
    name: 'shop',
    disabled: false,
    settings,
    secrets: [kept],
    createdAtMs: 0,
    changedAtMs: 1000,
  })
  assert.deepEqual(view, {
    id: 'c1',
    name: 'shop',
    disabled: false,
    may: { billing: {} },
    secrets: [{ id: kept.id, created: '1970-01-01T00:00:01.000Z' }],
    created: '1970-01-01T00:00:00.000Z',
    changed: '1970-01-01T00:00:01.000Z',
  })
})

test('the schema is the trust file’s, without secrets', () => {
  const { properties } = clientBodySchema as { properties: Record<string, { properties?: object }> }
  for (const name of ['name', 'disabled', 'authenticate', 'may', 'mayExchange'])
    assert.ok(name in properties, name)
  assert.ok(!('secret' in properties['authenticate']!.properties!))
})
