import assert from 'node:assert/strict'
import { test } from 'node:test'
import { orders, trust as trustOf } from '../../../../../test/issuer/fixture.ts'
import { silentLog } from '../../log.ts'
import { createMemoryStore } from '../../store/memory.ts'
import type { Store } from '../../store/store.ts'
import type { Client, Trust } from '../../trust/trust.ts'
import { managedText, mintSecret } from './managed-client.ts'
import type { ManagedClient } from './managed-client.ts'
import { openManagedClients, servicesOf } from './managed-clients.ts'
import type { ManagedClients } from './managed-clients.ts'

const trust = trustOf([orders])

test('a client is found with its secrets and rights, compiled once', async () => {
  const store = createMemoryStore()
  const { kept } = mintSecret(0)
  await put(store, 'c1', { secrets: [kept], settings: { may: { billing: { roles: 'reader' } } } })
  const { clients, compiled } = await open(store)
  assert.deepEqual(compiled, [])
  const found = clients.find('c1', 0)
  assert.deepEqual(found?.client, {
    id: 'c1',
    secrets: [],
    may: [{ service: 'billing', roles: ['reader'], scopes: [] }],
  })
  assert.equal(found.digests[0]?.toString('base64url'), kept.digest)
  assert.equal(found.digests.length, 2)
  assert.equal(clients.find('c1', 0), found)
  assert.deepEqual(compiled, ['c1'])
  assert.equal(clients.find('c2', 0), undefined)
  await clients.close()
})

test('changes in the store are followed: new, changed, disabled, removed', async () => {
  const store = createMemoryStore()
  const { clients } = await open(store)
  await put(store, 'c1', { settings: { may: { stock: {} } } })
  assert.equal(clients.find('c1', 0), undefined)
  await clients.refresh()
  assert.equal(clients.find('c1', 0)?.client.may[0]?.service, 'stock')
  await put(store, 'c1', { settings: { may: { billing: {} } } }, 1)
  await clients.refresh()
  assert.equal(clients.find('c1', 0)?.client.may[0]?.service, 'billing')
  await put(store, 'c1', { disabled: true }, 2)
  await clients.refresh()
  assert.equal(clients.find('c1', 0), undefined)
  assert.ok(clients.has('c1'))
  await store.writeClient({ id: 'c1', request: undefined, removed: true, settings: '' }, 3, [])
  await clients.refresh()
  assert.ok(!clients.has('c1'))
  assert.equal(clients.size, 0)
  await clients.close()
})

test('a client that the trust file declares is the trust file’s', async () => {
  const store = createMemoryStore()
  await put(store, 'orders', {})
  await put(store, 'c1', {})
  const warned: unknown[] = []
  const log = { ...silentLog, warn: (event: string, fields?: object) => void warned.push([event, fields]) }
  const { clients } = await open(store, { log })
  assert.equal(clients.find('orders', 0), undefined)
  assert.equal((warned[0] as [string])[0], 'clients.declared')
  assert.ok(clients.find('c1', 0))
  clients.replace(trustOf([{ ...orders, id: 'c1' }]))
  assert.equal(clients.find('c1', 0), undefined)
  assert.ok(clients.find('orders', 0))
  assert.equal(warned.length, 2)
  await clients.close()
})

test('what leaves the trust file leaves the client, and the rest of it stays', async () => {
  const store = createMemoryStore()
  await put(store, 'c1', { settings: { may: { billing: { roles: 'reader' }, stock: {} } } })
  const { clients } = await open(store)
  assert.equal(clients.find('c1', 0)?.client.may.length, 2)
  clients.replace({ ...trust, services: new Map([...trust.services].filter(([name]) => name === 'stock')) })
  assert.deepEqual(clients.find('c1', 0)?.client.may, [{ service: 'stock', roles: [], scopes: [] }])
  await clients.close()
})

test('a client whose settings cannot be read gets nothing, and the others go on', async () => {
  const store = createMemoryStore()
  await put(store, 'c1', { settings: { authenticate: {} } })
  await put(store, 'c2', {})
  const { clients } = await open(store)
  assert.equal(clients.find('c1', 0), undefined)
  assert.ok(clients.find('c2', 0))
  await clients.close()
})

test('when the store cannot be read nobody is taken for what they were for ever', async () => {
  const store = createMemoryStore()
  await put(store, 'c1', {})
  const { clients } = await open(store, { staleAfterSeconds: 300 })
  await store.close()
  await assert.rejects(clients.refresh(), { code: 'store-unavailable' })
  assert.ok(clients.find('c1', 300_000))
  assert.throws(() => clients.find('c1', 300_001), { code: 'clients-stale' })
  // Who is not managed is not held up by it.
  assert.equal(clients.find('orders', 300_001), undefined)
  await clients.close()
})

test('clients with equal settings share what they may, until the trust file is another one', async () => {
  const store = createMemoryStore()
  for (const id of ['c1', 'c2']) await put(store, id, { settings: { may: { stock: {} } } })
  await put(store, 'c3', { settings: { may: { billing: {} } } })
  const { clients } = await open(store)
  const [one, two, three] = ['c1', 'c2', 'c3'].map((id) => clients.find(id, 0)?.client)
  assert.equal(one?.may, two?.may)
  assert.notEqual(one?.may, three?.may)
  assert.deepEqual([one?.id, two?.id, three?.id], ['c1', 'c2', 'c3'])
  clients.replace({ ...trust, services: new Map() })
  assert.deepEqual(clients.find('c2', 0)?.client.may, [])
  await clients.close()
})

test('a store that is down at the start is a Problem', async () => {
  const store = createMemoryStore()
  await store.close()
  await assert.rejects(open(store), { code: 'store-unavailable' })
})

test('more clients than fit on a page are all read', async () => {
  const store = createMemoryStore()
  for (let count = 0; count < 2001; count++) await put(store, `c${count}`, {})
  const { clients } = await open(store)
  assert.equal(clients.size, 2001)
  assert.ok(clients.find('c2000', 0))
  await clients.close()
})

test('the admin API is a service where there is one', () => {
  assert.ok(!servicesOf(trust).has('countersign'))
  const issuer = { url: 'https://issuer.example', admin: { listen: { host: '::1', port: 0 }, codeFile: 'x' } }
  const services = servicesOf({ ...trust, issuer: issuer as Trust['issuer'] })
  assert.equal(services.get('countersign')?.audience, 'https://issuer.example/admin')
  assert.ok(services.has('billing'))
})

type Options = Partial<Parameters<typeof openManagedClients<string>>[0]>

async function open(
  store: Store,
  options: Options = {},
): Promise<{ clients: ManagedClients<string>; compiled: string[] }> {
  const compiled: string[] = []
  const compile = ({ id }: Client): string => {
    compiled.push(id)
    return id
  }
  const clients = await openManagedClients({
    store,
    trust,
    compile,
    clock: () => 0,
    log: silentLog,
    ...options,
  })
  return { clients, compiled }
}

async function put(store: Store, id: string, fields: Partial<ManagedClient>, revision = 0): Promise<void> {
  const settings = managedText({
    name: '',
    disabled: false,
    settings: {},
    secrets: [],
    createdAtMs: 0,
    changedAtMs: 0,
    ...fields,
  })
  assert.ok(await store.writeClient({ id, request: undefined, removed: false, settings }, revision, []))
}
