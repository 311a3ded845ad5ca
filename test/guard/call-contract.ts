/** Test support: what the guard must do where refusals are errors of a framework's own, asked with the same table. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Guard } from '@countersign/sdk/guard'
import { createTestIssuer, startTestIssuer } from '@countersign/sdk/testing'
import { tenants } from './adapter-contract.ts'
import type { ContractRoute } from './adapter-contract.ts'
import type { RawReply, RawRequest, Wire } from './raw-request.ts'
import { bearer, refusals } from './refusals.ts'

/** A service whose operations are the routes of the other contract; `open` gives `open`, all others {@link who} acts. */
export type CallAdapter = {
  readonly name: string
  readonly wire: Wire
  start(service: {
    readonly guard: Guard
    reached(operation: ContractRoute): void
  }): Promise<{ readonly port: number; close(): Promise<unknown> }>
  request(operation: ContractRoute, headers: readonly string[]): RawRequest
  /** What the reply says, in the words of HTTP. */
  read(reply: RawReply): CallResult
  /** The guard gets parsed headers: of a repeated one the first alone is there, for handlers too, or all are one. */
  readonly isParsed?: true
}

export type CallResult = { readonly status: number; readonly text: string }

/** Runs the suite against one adapter. */
export function testCalls(adapter: CallAdapter): void {
  const { wire } = adapter
  describe(`${adapter.name} by ${wire.name}: the contract of calls`, () => {
    const issuer = createTestIssuer({ audience: 'https://billing.test' })
    const reasons: (string | undefined)[] = []
    const reached: ContractRoute[] = []
    const guard = issuer.guard({
      verifier: issuer.verifier({ maxLifetimeSeconds: 3600 }),
      tokenFrom: ['bearer', { header: 'Token' }],
      realm: 'billing',
      claims: tenants,
      onDecision: ({ kind, reason }) => void (kind === 'allow' || reasons.push(reason)),
    })
    const closing: (() => Promise<unknown>)[] = []
    let port: number

    before(async () => {
      port = await start(guard)
    })
    after(async () => {
      for (const close of closing) await close()
    })

    async function start(behind: Guard): Promise<number> {
      const started = await adapter.start({ guard: behind, reached: (route) => void reached.push(route) })
      closing.push(() => started.close())
      return started.port
    }

    async function call(at: number, operation: ContractRoute, headers: readonly string[]) {
      const reply = await wire.ask(at, adapter.request(operation, headers))
      return { ...adapter.read(reply), headers: reply.headers }
    }

    for (const [reason, cases] of Object.entries(refusals)) {
      if (ofPaths.includes(reason) || (adapter.isParsed && reason === 'token-repeated')) continue
      cases.forEach((refusal, index) => {
        const { method = 'GET', target = '/', headers = [] } = refusal.request(issuer)
        // A call is a call: what differs by method or body only is asked once.
        if (method === 'HEAD' || method === 'POST') return
        test(`${reason} (${index + 1}) is answered like ${refusal.status}, and no handler hears of it`, async () => {
          reached.length = reasons.length = 0
          const answer = await call(port, operationOf(method, target), headers)
          assert.deepEqual([answer.status, answer.text], [refusal.status, refusal.text])
          assert.deepEqual(reached, [])
          assert.deepEqual(reasons, [reason])
          assert.match(answer.headers['www-authenticate']!, /^Bearer realm="billing"/)
        })
      })
    }

    test('a good token passes, and the handler learns who acts', async () => {
      const wanted = {
        subject: 'alice',
        clientId: 'shop',
        actor: 'orders',
        roles: 'reader',
        claims: { tenant: 'acme' },
      }
      const { status, text } = await call(port, 'read', bearer(issuer, wanted))
      assert.equal(status, 200, text)
      const { subject, clientId, actor, tenant, frozen } = JSON.parse(text) as Record<string, unknown>
      assert.deepEqual([subject, clientId, actor, tenant, frozen], ['alice', 'shop', 'orders', 'acme', true])
      assert.equal((await call(port, 'me', ['token', issuer.token()])).status, 200)
      const admin = { roles: 'admin', scopes: ['invoices:read', 'invoices:delete'] }
      assert.equal((await call(port, 'remove', bearer(issuer, admin))).status, 200)
      assert.equal((await call(port, 'tenant', bearer(issuer, { claims: { tenant: 'acme' } }))).status, 200)
    })

    test('an open operation asks nobody, whatever they show', async () => {
      for (const headers of [[], bearer(issuer), ['authorization', 'Bearer garbage']]) {
        const { status, text } = await call(port, 'open', headers)
        assert.deepEqual([status, text], [200, 'open'])
      }
    })

    test('keys that cannot be had are 503, never 401, and it passes', async () => {
      await using remote = await startTestIssuer()
      const at = await start(remote.guard())
      for (const keys of [503, 'reset'] as const) {
        remote.fail({ keys })
        reached.length = 0
        assert.equal((await call(at, 'me', bearer(remote))).status, 503)
        assert.deepEqual(reached, [])
        remote.advance(60)
      }
      remote.recover()
      assert.equal((await call(at, 'me', bearer(remote))).status, 200)
    })

    test('callers in turn on one connection: nobody inherits who came before', async () => {
      const asked = [bearer(issuer, { subject: 'alice' }), bearer(issuer, { subject: 'bob' }), []]
      const replies = await wire.askInTurn(
        port,
        asked.map((headers) => adapter.request('me', headers)),
      )
      const results = replies.map((reply) => adapter.read(reply))
      assert.deepEqual(
        results.map(({ status }) => status),
        [200, 200, 401],
      )
      assert.deepEqual(
        results.slice(0, 2).map(({ text }) => (JSON.parse(text) as { subject: string }).subject),
        ['alice', 'bob'],
      )
    })

    test('a guard that fails in a way nobody thought of lets nobody in', async () => {
      const failing: Guard = {
        check: () => {
          throw new TypeError('a bug')
        },
        answer: guard.answer.bind(guard),
        answerProblem: guard.answerProblem.bind(guard),
        warm: () => guard.warm(),
        health: () => guard.health(),
      }
      const at = await start(failing)
      reached.length = 0
      assert.equal((await call(at, 'me', bearer(issuer))).status, 503)
      assert.deepEqual(reached, [])
    })
  })
}

function operationOf(method: string, target: string): ContractRoute {
  if (target.startsWith('/invoices/')) return method === 'DELETE' ? 'remove' : 'read'
  return target.slice(1) as ContractRoute
}

/** Which path is asked for is up to the framework here, and to nobody who calls. */
const ofPaths: readonly string[] = ['request-malformed', 'path-ambiguous']
