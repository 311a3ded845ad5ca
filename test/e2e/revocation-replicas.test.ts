/** Several replicas of the issuer on one PostgreSQL: what one revokes all refuse, and all publish the same list. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { inspectToken } from '@countersign/sdk/jwt'
import { openPostgresStore } from '../../packages/server/src/store/postgres.ts'
import type { Store } from '../../packages/server/src/store/store.ts'
import { basic, ordersSecret, settings, startIssuer } from '../issuer/fixture.ts'
import type { Fixture } from '../issuer/fixture.ts'
import { startPostgres, whyNoPostgres } from '../store/postgres-server.ts'
import type { PostgresServer } from '../store/postgres-server.ts'

const skip = whyNoPostgres()
const options = skip === undefined ? {} : { skip }
let server: PostgresServer
before(async () => {
  if (skip === undefined) server = await startPostgres()
})
after(() => server?.stop())

test('what one replica revokes all refuse a second later, by one list', options, async (t) => {
  const url = await server.newDatabase()
  const stores: Store[] = []
  const replicas: Fixture[] = []
  t.after(async () => {
    await Promise.all(replicas.map((replica) => replica.close()))
    await Promise.all(stores.map((store) => store.close()))
  })
  const keys = { algorithm: 'ES256', rotateEverySeconds: 36_000, seal: undefined } as const
  for (let index = 0; index < 3; index++) {
    const store = await openPostgresStore({ url })
    stores.push(store)
    const unsealed = { keys: { ...keys, dangerouslyUnsealed: true } }
    replicas.push(await startIssuer({ store, settings: settings('https://issuer.example', unsealed) }))
  }
  const nowMs = Math.ceil(Date.now() / 60_000) * 60_000
  const moveTo = (ms: number): void => replicas.forEach(({ clock }) => (clock.nowMs = ms))
  const [first] = replicas as [Fixture, ...Fixture[]]
  moveTo(nowMs)
  const form = { 'Content-Type': 'application/x-www-form-urlencoded', ...basic('orders', ordersSecret) }
  const post = (at: Fixture, path: string, body: string) => at.send('POST', path, { headers: form, body })
  const token = String((await post(first, '/token', 'grant_type=client_credentials')).json['access_token'])
  const activeAt = async (at: Fixture) => (await post(at, '/introspect', `token=${token}`)).json['active']
  for (const replica of replicas) assert.equal(await activeAt(replica), true)

  assert.equal((await post(first, '/revoke', `token=${token}`)).status, 200)
  assert.equal(await activeAt(first), false)
  moveTo(nowMs + 1000)
  for (const replica of replicas) assert.equal(await activeAt(replica), false)

  const answers = await Promise.all(replicas.map((replica) => replica.send('GET', '/revocations')))
  const [list, ...others] = answers.map(({ body }) => inspectToken(body).claims)
  assert.equal((list?.['tokens'] as unknown[]).length, 1)
  for (const other of others) assert.deepEqual(other, list)
  assert.equal(new Set(answers.map(({ headers }) => headers.etag)).size, 1)
})
