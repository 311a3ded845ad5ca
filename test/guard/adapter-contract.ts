/** Test support, long since it is one suite: what every HTTP adapter of the guard must do, over real sockets. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import type { ClaimsSchema, Guard } from '@countersign/sdk/guard'
import { canonicalPath } from '@countersign/sdk/policy'
import type { Principal, Requirement, SignedClaims } from '@countersign/sdk/policy'
import { createTestIssuer, startTestIssuer } from '@countersign/sdk/testing'
import { testBoundTokens } from './bound-tokens.ts'
import { pathTricks } from './path-tricks.ts'
import { http1 } from './raw-request.ts'
import type { RawReply, Wire } from './raw-request.ts'
import { bearer, refusals } from './refusals.ts'
import type { Refusal } from './refusals.ts'

/**
 * The service that each framework builds for the suite, every route behind the adapter with its requirement below:
 *
 * - `GET /open` answers `open`;
 * - `GET /me`, `GET /tenant` answer {@link who} acts, as JSON;
 * - `GET /invoices/:id`, `DELETE /invoices/:id` answer the same, with the `id`;
 * - `POST /echo` sends the body back as it comes in.
 *
 * Every handler first calls {@link reached} with the name of its route.
 */
export type ContractService = {
  readonly guard: Guard
  /** Whether an open guard stands before the framework's own router. */
  readonly isFronted: boolean
  reached(route: ContractRoute): void
}

export const requirements = {
  open: 'open',
  me: 'authenticated',
  tenant: { claims: { tenant: { equals: 'acme' } } },
  read: { roles: 'reader' },
  remove: { roles: 'admin', scopes: ['invoices:read', 'invoices:delete'] },
  echo: 'authenticated',
} as const satisfies Record<string, Requirement>

export type ContractRoute = keyof typeof requirements

export type Adapter = {
  readonly name: string
  /** How its requests come: by HTTP/1.1 unless given. */
  readonly wire?: Wire
  /** Starts the service on a port of 127.0.0.1; headers of up to {@link maxHeaderBytes} must get through. */
  start(service: ContractService): Promise<{ readonly port: number; close(): Promise<unknown> }>
  /** The framework answers with JSON alone, so that every refusal is a problem document. */
  readonly isJsonOnly?: true
  /** Nothing around it answers for a handler that throws. */
  readonly isBare?: true
  /** The guard gets a parsed `Request`: repeated headers are joined, and some paths have lost their second reading. */
  readonly isParsed?: true
}

/** A schema as a library would make one: a tenant, if there is one, is a text. */
export const tenants: ClaimsSchema<SignedClaims> = {
  '~standard': {
    version: 1,
    vendor: 'the contract',
    validate(value) {
      const { tenant } = value as { tenant?: unknown }
      if (tenant === undefined || typeof tenant === 'string') return { value: { tenant } }
      return { issues: [{ message: `expected a text, got ${String(tenant)}`, path: ['tenant'] }] }
    },
  },
}

export const maxHeaderBytes = 64 * 1024

/** What a handler tells of who acts. */
export function who(auth: Principal | undefined, id?: string): object {
  return {
    subject: auth?.subject,
    clientId: auth?.clientId,
    actor: auth?.actor?.subject,
    roles: [...(auth?.roles ?? [])],
    scopes: [...(auth?.scopes ?? [])],
    expires: typeof auth?.expiresAtSeconds,
    frozen: auth === undefined || (Object.isFrozen(auth) && Object.isFrozen(auth.claims)),
    tenant: auth?.claims['tenant'],
    id,
  }
}

/** Runs the whole suite against one adapter. */
export function testAdapter(adapter: Adapter): void {
  const { ask, askInTurn, send, carries, name: version } = adapter.wire ?? http1
  describe(`${adapter.name} by ${version}: the contract of adapters`, () => {
    const issuer = createTestIssuer({ audience: 'https://billing.test' })
    const reasons: (string | undefined)[] = []
    const reached: ContractRoute[] = []
    let failing = false
    const metadata = 'https://billing.test/.well-known/oauth-protected-resource'
    const guard = issuer.guard({
      verifier: issuer.verifier({ maxLifetimeSeconds: 3600 }),
      tokenFrom: ['bearer', { header: 'Token' }],
      realm: 'billing',
      claims: tenants,
      resourceMetadata: metadata,
      onDecision: ({ kind, reason }) => void (kind === 'allow' || reasons.push(reason)),
    })
    const closing: (() => Promise<unknown>)[] = []
    let port: number
    let unfronted: number

    before(async () => {
      port = await start(guard, true)
      unfronted = await start(guard, false)
    })
    after(async () => {
      for (const close of closing) await close()
    })

    async function start(behind: Guard, isFronted: boolean): Promise<number> {
      const service = {
        guard: behind,
        isFronted,
        reached: (route: ContractRoute) => {
          if (failing) throw new Error('thrown on purpose')
          reached.push(route)
        },
      }
      const started = await adapter.start(service)
      closing.push(() => started.close())
      return started.port
    }

    for (const [reason, cases] of Object.entries(refusals)) {
      if (adapter.isParsed && lostByParsing.includes(reason)) continue
      cases.forEach((refusal, index) => {
        if (!carries(refusal.request(issuer))) return
        test(`${reason} (${index + 1}) is answered ${refusal.status}, and no handler hears of it`, async () => {
          reached.length = reasons.length = 0
          const request = refusal.request(issuer)
          const reply = await ask(port, request)
          checkRefusal(reply, refusal, request.method === 'HEAD')
          assert.deepEqual(reached, [])
          assert.deepEqual(reasons, [reason])
        })
      })
    }

    function checkRefusal(
      reply: RawReply,
      { status, error, text, challenged }: Refusal,
      isHead: boolean,
    ): void {
      assert.equal(reply.status, status)
      const scope = status === 403 && text !== 'Forbidden' ? ', scope="invoices:read invoices:delete"' : ''
      const header = reply.headers['www-authenticate']
      if (challenged === false) assert.equal(header, undefined)
      else if (error === undefined) {
        assert.equal(header, `Bearer realm="billing", resource_metadata="${metadata}"`)
      } else {
        const described = `error="${error}", error_description="${text}"`
        assert.ok(header?.startsWith(`Bearer realm="billing", ${described}${scope}`), `${header}`)
      }
      assert.equal(reply.headers['cache-control'], 'no-store')
      if (isHead) return assert.equal(reply.body, '')
      // What stands in front of such a framework is an adapter of its own, and answers as it does.
      if (adapter.isJsonOnly && challenged !== false) return checkDocument(reply, text)
      assert.equal(reply.headers['content-type'], 'text/plain; charset=utf-8')
      assert.equal(reply.body, text)
    }

    function checkDocument(reply: RawReply, text: string): void {
      assert.match(reply.headers['content-type']!, /^application\/problem\+json(;|$)/)
      const { type, status, detail } = JSON.parse(reply.body) as Record<string, unknown>
      assert.deepEqual([type, status, detail], ['about:blank', reply.status, text])
    }

    test('a problem document for those who ask for JSON', async () => {
      const reply = await ask(port, { target: '/me', headers: ['Accept', 'application/json'] })
      assert.equal(reply.status, 401)
      checkDocument(reply, 'No Authorization Token provided')
    })

    test('a good token passes, and the handler learns who acts', async () => {
      const wanted = {
        subject: 'alice',
        clientId: 'shop',
        actor: 'orders',
        roles: ['reader', 'x'],
        scopes: 'invoices:read',
        claims: { tenant: 'acme' },
      }
      const reply = await ask(port, { target: '/invoices/7%20b?page=2', headers: bearer(issuer, wanted) })
      assert.equal(reply.status, 200, reply.body)
      assert.deepEqual(JSON.parse(reply.body), {
        subject: 'alice',
        clientId: 'shop',
        actor: 'orders',
        roles: ['reader', 'x'],
        scopes: ['invoices:read'],
        expires: 'number',
        frozen: true,
        tenant: 'acme',
        id: '7 b',
      })
    })

    test('roles, scopes and claims that suffice', async () => {
      const wanted = { roles: 'admin', scopes: ['invoices:read', 'invoices:delete'] }
      const removed = await ask(port, {
        method: 'DELETE',
        target: '/invoices/7',
        headers: bearer(issuer, wanted),
      })
      assert.equal(removed.status, 200)
      const tenant = await ask(port, {
        target: '/tenant',
        headers: bearer(issuer, { claims: { tenant: 'acme' } }),
      })
      assert.equal(tenant.status, 200)
    })

    test('the token in its other place', async () => {
      const reply = await ask(port, { target: '/me', headers: ['Token', issuer.token({ subject: 'bob' })] })
      assert.equal(reply.status, 200)
      assert.equal((JSON.parse(reply.body) as { subject: string }).subject, 'bob')
    })

    test('an open route asks nobody, whatever they show', async () => {
      for (const headers of [[], bearer(issuer), ['Authorization', 'Bearer garbage']]) {
        const reply = await ask(port, { target: '/open', headers })
        assert.deepEqual([reply.status, reply.body], [200, 'open'])
      }
    })

    test('HEAD is asked for what GET is asked for', async () => {
      reached.length = 0
      const refused = await ask(port, { method: 'HEAD', target: '/invoices/7', headers: bearer(issuer) })
      assert.deepEqual([refused.status, refused.body, reached], [403, '', []])
      const allowed = await ask(port, {
        method: 'HEAD',
        target: '/invoices/7',
        headers: bearer(issuer, { roles: 'reader' }),
      })
      assert.deepEqual([allowed.status, allowed.body], [200, ''])
    })

    test('what no route is for is the framework’s to refuse', async () => {
      const reply = await ask(port, { target: '/nothing', headers: bearer(issuer) })
      assert.equal(reply.status, 404)
    })

    test('one connection, several callers: nobody inherits who came before', async () => {
      const replies = await askInTurn(port, [
        { target: '/me', headers: bearer(issuer, { subject: 'alice' }) },
        { target: '/me', headers: bearer(issuer, { subject: 'bob' }) },
        { target: '/me' },
        { target: '/open' },
      ])
      assert.deepEqual(
        replies.map(({ status }) => status),
        [200, 200, 401, 200],
      )
      const subjects = replies
        .slice(0, 2)
        .map(({ body }) => (JSON.parse(body) as { subject: string }).subject)
      assert.deepEqual(subjects, ['alice', 'bob'])
    })

    test('a crowd at once: each is answered as itself', async () => {
      const subjects = Array.from({ length: 90 }, (_, index) => `crowd-${index}`)
      const asked = subjects.map((subject, index) => {
        // Every third has a signature of somebody else's.
        const text = bearer(issuer, { subject })[1]!
        const headers = ['Authorization', index % 3 === 2 ? `${text.slice(0, -8)}AAAAAAAA` : text]
        return ask(port, { target: '/me', headers })
      })
      for (const [index, { status, body }] of (await Promise.all(asked)).entries()) {
        assert.equal(status, index % 3 === 2 ? 401 : 200, `${index}`)
        const expected = index % 3 === 2 ? undefined : subjects[index]
        assert.equal(
          body.startsWith('{') ? (JSON.parse(body) as { subject?: string }).subject : undefined,
          expected,
        )
      }
    })

    test(
      'what a handler throws is the framework’s to answer',
      { skip: adapter.isBare === true },
      async () => {
        failing = true
        try {
          assert.equal((await ask(port, { target: '/me', headers: bearer(issuer) })).status, 500)
        } finally {
          failing = false
        }
        assert.equal((await ask(port, { target: '/me', headers: bearer(issuer) })).status, 200)
      },
    )

    test('tokens that differ in one part share nothing, however warm the cache', async () => {
      const [reader, other] = [issuer.token({ roles: 'reader' }), issuer.token()]
      const target = '/invoices/7'
      for (let time = 0; time < 3; time++) {
        assert.equal((await ask(port, { target, headers: ['Token', reader] })).status, 200)
        assert.equal((await ask(port, { target, headers: ['Token', other] })).status, 403)
      }
      const [header, claims, signature] = reader.split('.')
      const [, otherClaims, otherSignature] = other.split('.')
      for (const token of [
        `${header}.${otherClaims}.${signature}`,
        `${header}.${claims}.${otherSignature}`,
        `${header}.${claims}.`,
      ]) {
        assert.equal((await ask(port, { target, headers: ['Token', token] })).status, 401)
      }
    })

    test('a body streams through the guard byte for byte, with a length or in chunks', async () => {
      const body = Buffer.from(Array.from({ length: 300_000 }, (_, at) => at % 251))
      const plain = await ask(port, { method: 'POST', target: '/echo', headers: bearer(issuer), body })
      assert.equal(plain.status, 200)
      assert.ok(Buffer.from(plain.body, 'latin1').equals(body))
      const chunked = await ask(port, {
        method: 'POST',
        target: '/echo',
        headers: [...bearer(issuer), 'Transfer-Encoding', 'chunked', 'Content-Type', 'application/x'],
        body: '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n',
      })
      assert.equal(chunked.body, 'hello world')
    })

    test('a refused upload gets its answer', async () => {
      reached.length = 0
      const reply = await ask(port, { method: 'POST', target: '/echo', body: Buffer.alloc(200_000) })
      assert.equal(reply.status, 401)
      assert.deepEqual(reached, [])
    })

    test('a Host that is none changes nothing about who may pass', async () => {
      reached.length = 0
      const request = { target: '/me', headers: ['Host', 'a@b/c?'] }
      const reply = await ask(port, request)
      assert.ok(!carries(request) || [400, 401].includes(reply.status), String(reply.status))
      assert.deepEqual(reached, [])
    })

    describe('paths that the framework may read in its own way', () => {
      const tricks = pathTricks.filter((target) => carries({ target }))
      for (const target of pathTricks) {
        test(`${JSON.stringify(target)}: no way in without a token, none without the role`, async () => {
          for (const at of [port, unfronted]) {
            for (const headers of [[], bearer(issuer)]) {
              reached.length = 0
              const reply = await ask(at, { target, headers })
              const secret = reached.filter((route) => route !== 'open')
              assert.deepEqual(secret, [], `${reply.status} ${reply.body}`)
            }
          }
        })
      }

      test('what has two readings is refused before the router, also where no route is', async () => {
        const ambiguous = tricks.filter((target) => 'reason' in canonicalPath(asSeen(target)))
        for (const target of ambiguous) {
          for (const headers of [[], bearer(issuer, { roles: 'reader' })]) {
            reached.length = 0
            const reply = await ask(port, { target, headers })
            assert.equal(reply.status, 400, `${target}: ${reply.body}`)
            assert.deepEqual(reached, [], target)
          }
        }
      })

      test('what has one reading reaches its handler with the role, or nothing', async () => {
        for (const target of tricks.filter((target) => 'path' in canonicalPath(target))) {
          const reply = await ask(port, { target, headers: bearer(issuer, { roles: 'reader' }) })
          assert.ok([200, 404].includes(reply.status), `${target}: ${reply.status}`)
        }
      })
    })

    describe('keys that must be fetched', () => {
      test('they cannot be had: 503 and when to come back, never 401, and it passes', async () => {
        await using remote = await startTestIssuer()
        const at = await start(remote.guard(), true)
        for (const keys of [503, 'reset'] as const) {
          remote.fail({ keys })
          reached.length = 0
          const reply = await ask(at, { target: '/me', headers: bearer(remote) })
          assert.equal(reply.status, 503)
          assert.match(reply.headers['retry-after']!, /^\d+$/)
          assert.equal(reply.headers['www-authenticate'], undefined)
          assert.deepEqual(reached, [])
          remote.advance(60)
        }
        remote.recover()
        assert.equal((await ask(at, { target: '/me', headers: bearer(remote) })).status, 200)
      })

      test('they take a while: the body waits, and everybody is answered from one fetch', async () => {
        await using remote = await startTestIssuer()
        remote.fail({ delayMs: 20 })
        const at = await start(remote.guard(), true)
        const bodies = Array.from({ length: 5 }, (_, index) => `${index}`.repeat(50_000))
        const replies = await Promise.all(
          bodies.map((body) => ask(at, { method: 'POST', target: '/echo', headers: bearer(remote), body })),
        )
        assert.deepEqual(
          replies.map(({ body }) => body),
          bodies,
        )
        assert.equal(remote.requests.keys, 1)
      })

      test('who leaves while they are fetched is not served, and the service lives on', async () => {
        await using remote = await startTestIssuer()
        remote.fail({ delayMs: 60, keys: 503 })
        const at = await start(remote.guard(), true)
        reached.length = 0
        const leaving = [bearer(remote), bearer(remote)].map((headers) =>
          send(at, { target: '/me', headers }),
        )
        while (remote.requests.metadata === 0) await new Promise((resolve) => setTimeout(resolve, 5))
        remote.fail({ delayMs: 20 })
        for (const socket of leaving) socket.destroy()
        await Promise.all(leaving.map((socket) => once(socket, 'close')))
        assert.equal((await ask(at, { target: '/me', headers: bearer(remote) })).status, 200)
        assert.deepEqual(reached, ['me'])
      })
    })

    /** What the guard gets to see of a target. */
    function asSeen(target: string): string {
      if (!adapter.isParsed) return target
      const url = URL.parse(target.startsWith('/') ? `http://127.0.0.1${target}` : target)
      return url === null ? '*' : url.pathname + url.search
    }

    testBoundTokens(ask, (behind) => start(behind, true))

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
      const at = await start(failing, false)
      reached.length = 0
      assert.equal((await ask(at, { target: '/me', headers: bearer(issuer) })).status, 503)
      assert.deepEqual(reached, [])
    })
  })
}

const lostByParsing: readonly string[] = ['request-malformed', 'token-repeated']
