import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { isProblem } from '@countersign/sdk/core'
import { createMetrics } from '../../packages/server/src/metrics/registry.ts'
import { measuredStore } from '../../packages/server/src/store/measured.ts'
import { openPostgresStore } from '../../packages/server/src/store/postgres.ts'
import { Pulse } from '../machine/pulse.ts'
import { assertionFields, assertionOf, goodClaims, keyedClient } from '../issuer/assertion.ts'
import { orders, ordersSecret, settings, startIssuer, trust } from '../issuer/fixture.ts'
import type { Answer, Fixture } from '../issuer/fixture.ts'
import { startPostgres, whyNoPostgres } from '../store/postgres-server.ts'
import type { PostgresServer } from '../store/postgres-server.ts'

/** `npm run test:faults`: half a minute, as in the field. */
const outageMs = process.env['COUNTERSIGN_LONG_FAULTS'] === '1' ? 30_000 : 2_500
const skip = whyNoPostgres() ?? false

describe('PostgreSQL is away for a while', { skip }, () => {
  let server: PostgresServer
  before(async () => void (server = await startPostgres()))
  after(() => server.stop())

  test('killed: connections are refused', async (t) => {
    const load = await startLoad(t, server)
    t.after(load.close)
    const start = await server.halt()
    let started: Promise<void> | undefined
    const startOnce = () => (started ??= start())
    t.after(startOnce)
    await outage(t, load, startOnce)
  })

  test('frozen: connections stay open and nobody answers', async (t) => {
    const load = await startLoad(t, server)
    t.after(load.close)
    const thaw = server.freeze()
    t.after(thaw)
    await outage(t, load, async () => thaw())
  })
})

/** What has to be seen before, during and after, whatever the outage looks like. */
async function outage(
  t: TestContext,
  { pulse, plain, assertion, isIssued, changes, fixture, metrics }: Load,
  end: () => Promise<void>,
): Promise<void> {
  // Writing is given up in bounded time, and said to be our fault and passing.
  const refused = await assertion()
  assert.deepEqual([refused.status, refused.json['error']], [503, 'temporarily_unavailable'])
  assert.ok(Number(refused.headers['retry-after']) > 0)
  // Twenty tokens a second, and on a machine that does something else for so long that there are as many.
  const untilRunMs = pulse.runMs + outageMs
  const isAway = (): boolean => pulse.runMs < untilRunMs || issued <= outageMs / 50
  let issued = 0
  let refusals = 1
  const issue = async (): Promise<void> => {
    while (isAway()) {
      const { answer } = await plain()
      assert.equal(answer.status, 200, answer.body)
      issued += 1
      await wait(5)
    }
  }
  const write = async (): Promise<void> => {
    while (isAway()) {
      const written = await assertion()
      assert.deepEqual([written.status, Number(written.headers['retry-after']) > 0], [503, true])
      refusals += 1
      await wait(20)
    }
  }
  await Promise.all([issue(), issue(), issue(), issue(), write(), write()])
  t.diagnostic(
    `away for ${outageMs / 1000} s: ${issued} tokens, the slowest in ${plain.slowestMs().toFixed(0)} ms; ` +
      `${refusals} assertions got 503 with Retry-After`,
  )
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
  await pulse.undisturbed(() => fixture.issuer.keyRing.refresh())
  for (let count = 0; count < 20; count++) {
    await pulse.undisturbed(isIssued)
    assert.equal((await plain()).answer.status, 200)
  }
  // One was under way, in a transaction, when the server went: whether another was done before is chance.
  const ends = [...changes].filter((end) => end !== 'done')
  assert.deepEqual(ends, ['store-unavailable'])
  changes.clear()
  while (!changes.has('done')) await wait(20)
  // None has waited for the store; that it waits for the machine is not ours.
  assert.ok(plain.nearlyAllRunMs() < 300, `a plain token took ${plain.nearlyAllRunMs()} ms`)
}

type Load = Awaited<ReturnType<typeof startLoad>>

/** Clients that ask all the time: some by a secret, which needs no store, and some by an assertion, which does. */
async function startLoad(t: TestContext, server: PostgresServer) {
  const pulse = new Pulse(t)
  const registry = createMetrics()
  // A tenth of the usual patience, so that the test has some left.
  const database = await server.newDatabase()
  const opened = await pulse.undisturbed(() => openPostgresStore({ url: database, timeoutMs: 500 }))
  const store = measuredStore(opened, registry)
  const { client, key } = keyedClient('keyed')
  const url = 'http://issuer.example'
  const fixture: Fixture = await pulse.undisturbed(() =>
    startIssuer({
      store,
      clock: () => Date.now(),
      trust: trust([orders, client]),
      settings: settings(url, {
        keys: { algorithm: 'ES256', rotateEverySeconds: 36_000, seal: undefined, dangerouslyUnsealed: true },
      }),
    }),
  )
  const assertion = (): Promise<Answer> =>
    fixture.ask(
      assertionFields(assertionOf(key, goodClaims('keyed', url, Date.now())), {
        grant_type: 'client_credentials',
      }),
    )
  const isIssued = async (): Promise<void> => assert.equal((await assertion()).status, 200)
  const tookMs: number[] = []
  const ranMs: number[] = []
  const share = (times: readonly number[], part: number): number =>
    times.toSorted((a, b) => a - b)[Math.ceil(times.length * part) - 1]!
  const ask = async () => {
    const startedMs = performance.now()
    const startedRunMs = pulse.runMs
    const answer = await fixture.ask(
      `grant_type=client_credentials&client_id=orders&client_secret=${ordersSecret}`,
    )
    tookMs.push(performance.now() - startedMs)
    ranMs.push(pulse.runMs - startedRunMs)
    return { answer }
  }
  const plain = Object.assign(ask, {
    slowestMs: () => share(tookMs, 1),
    nearlyAllRunMs: () => share(ranMs, 0.99),
  })
  assert.equal((await plain()).answer.status, 200)
  await pulse.undisturbed(isIssued)
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
    pulse,
    fixture,
    /** What became of revocations, which are asked for all the time as well. */
    changes,
    plain,
    assertion,
    isIssued,
    metrics: () => registry.text(),
    async close() {
      closed = true
      await changing
      await fixture.close()
      await store.close()
    },
  }
}
