import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { isProblem } from '@countersign/sdk/core'
import { createMetrics } from '../../packages/server/src/metrics/registry.ts'
import { measuredStore } from '../../packages/server/src/store/measured.ts'
import { openPostgresStore } from '../../packages/server/src/store/postgres.ts'
import { assertionFields, assertionOf, goodClaims, keyedClient } from '../issuer/assertion.ts'
import { orders, ordersSecret, settings, startIssuer, trust } from '../issuer/fixture.ts'
import type { Answer, Fixture } from '../issuer/fixture.ts'
import { startPostgres, whyNoPostgres } from '../store/postgres-server.ts'
import type { PostgresServer } from '../store/postgres-server.ts'

/** COUNTERSIGN_LONG_FAULTS=1: half a minute, as in the field. */
const outageMs = process.env['COUNTERSIGN_LONG_FAULTS'] === '1' ? 30_000 : 2_500
const skip = whyNoPostgres() ?? false

describe('PostgreSQL is away for a while', { skip }, () => {
  let server: PostgresServer
  before(async () => void (server = await startPostgres()))
  after(() => server.stop())

  test('killed: connections are refused', async (t) => {
    const load = await startLoad(server)
    t.after(load.close)
    const start = await server.halt()
    let started: Promise<void> | undefined
    const startOnce = () => (started ??= start())
    t.after(startOnce)
    await outage(load, startOnce)
  })

  test('frozen: connections stay open and nobody answers', async (t) => {
    const load = await startLoad(server)
    t.after(load.close)
    const thaw = server.freeze()
    t.after(thaw)
    await outage(load, async () => thaw())
  })
})

/** What has to be seen before, during and after, whatever the outage looks like. */
async function outage(
  { plain, assertion, changes, fixture, metrics }: Load,
  end: () => Promise<void>,
): Promise<void> {
  // Writing is given up in bounded time, and said to be our fault and passing.
  const refused = await assertion()
  assert.deepEqual([refused.status, refused.json['error']], [503, 'temporarily_unavailable'])
  assert.ok(Number(refused.headers['retry-after']) > 0)
  const untilMs = performance.now() + outageMs
  while (performance.now() < untilMs) {
    const [issued, written] = await Promise.all([plain(), assertion()])
    assert.equal(issued.answer.status, 200, issued.answer.body)
    assert.equal(written.status, 503)
    await wait(20)
  }
  assert.equal((await fixture.send('GET', '/readyz')).status, 200, 'it can sign, so it is ready')
  assert.equal((await fixture.send('GET', '/.well-known/jwks.json')).status, 200)
  assert.match(metrics(), /^countersign_store_failures_total\{operation="putOnce"\} [1-9]/m)

  await end()
  // Nobody restarts the issuer.
  let tries = 0
  while ((await assertion()).status !== 200) {
    assert.ok(++tries < 100, 'it does not recover')
    await wait(50)
  }
  await fixture.issuer.keyRing.refresh()
  for (let count = 0; count < 20; count++) {
    assert.equal((await assertion()).status, 200)
    assert.equal((await plain()).answer.status, 200)
  }
  // One of these was under way, in a transaction, when the server went.
  assert.deepEqual([...changes].sort(), ['done', 'store-unavailable'])
  changes.clear()
  while (!changes.has('done')) await wait(20)
  assert.ok(plain.slowestMs() < 500, `a plain token took ${plain.slowestMs()} ms`)
}

type Load = Awaited<ReturnType<typeof startLoad>>

/** Clients that ask all the time: some by a secret, which needs no store, and some by an assertion, which does. */
async function startLoad(server: PostgresServer) {
  const registry = createMetrics()
  // A tenth of the usual patience, so that the test has some left.
  const opened = await openPostgresStore({ url: await server.newDatabase(), timeoutMs: 500 })
  const store = measuredStore(opened, registry)
  const { client, key } = keyedClient('keyed')
  const url = 'http://issuer.example'
  const fixture: Fixture = await startIssuer({
    store,
    clock: () => Date.now(),
    trust: trust([orders, client]),
    settings: settings(url, {
      keys: { algorithm: 'ES256', rotateEverySeconds: 36_000, seal: undefined, dangerouslyUnsealed: true },
    }),
  })
  const assertion = (): Promise<Answer> =>
    fixture.ask(
      assertionFields(assertionOf(key, goodClaims('keyed', url, Date.now())), {
        grant_type: 'client_credentials',
      }),
    )
  let slowestMs = 0
  const ask = async () => {
    const startedMs = performance.now()
    const answer = await fixture.ask(
      `grant_type=client_credentials&client_id=orders&client_secret=${ordersSecret}`,
    )
    slowestMs = Math.max(slowestMs, performance.now() - startedMs)
    return { answer }
  }
  const plain = Object.assign(ask, { slowestMs: () => slowestMs })
  assert.equal((await plain()).answer.status, 200)
  assert.equal((await assertion()).status, 200)
  const changes = new Set<string>()
  let closed = false
  const changing = (async () => {
    while (!closed) {
      const revoked = fixture.issuer.revoke({ tokenId: 'same' }, { nowMs: Date.now() })
      changes.add(
        await revoked.then(
          () => 'done',
          (error: unknown) => (isProblem(error) ? error.code : String(error)),
        ),
      )
      await wait(1)
    }
  })()
  return {
    fixture,
    /** What became of revocations, which are asked for all the time as well. */
    changes,
    plain,
    assertion,
    metrics: () => registry.text(),
    async close() {
      closed = true
      await changing
      await fixture.close()
      await store.close()
    },
  }
}
