import assert from 'node:assert/strict'
import type { IncomingMessage, Server } from 'node:http'
import { after, test } from 'node:test'
import { initTRPC, TRPCError } from '@trpc/server'
import { fastifyTRPCPlugin } from '@trpc/server/adapters/fastify'
import type { CreateFastifyContextOptions } from '@trpc/server/adapters/fastify'
import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
import { createHTTPServer } from '@trpc/server/adapters/standalone'
import fastify from 'fastify'
import { createDpopKey, createDpopNonces, createDpopProof } from '@countersign/sdk/jwt'
import { createTestIssuer, startTestIssuer } from '@countersign/sdk/testing'
import { listen } from '../../../../test/guard/listen.ts'
import { authOf } from './auth-of.ts'
import { guardFastify } from './fastify.ts'
import { challengeHeaders, guardTrpc } from './trpc.ts'

const issuer = createTestIssuer()
const needs = guardTrpc(issuer.guard({ realm: 'billing' }), TRPCError)
const anybody = needs('authenticated')
const readers = needs({ roles: 'reader', scopes: 'invoices:read' })

const t = initTRPC.context<{ req: IncomingMessage | Request }>().create({ isDev: false })
const router = t.router({
  open: t.procedure.query(() => 'open'),
  me: t.procedure
    .use(async ({ ctx, next }) => next({ ctx: { auth: await anybody(ctx.req) } }))
    .query(({ ctx }) => ctx.auth.subject),
  read: t.procedure
    .use(({ ctx, next }) => readers(ctx.req, (auth) => next({ ctx: { auth } })))
    .mutation(({ ctx }) => [...ctx.auth.roles]),
})
const { port, close } = await listen(
  createHTTPServer({
    router,
    createContext: ({ req }) => ({ req }),
    responseMeta: ({ errors }) => ({ headers: challengeHeaders(errors) }),
  }) as Server,
)
after(close)

test('a procedure learns who acts', async () => {
  const alice = { authorization: issuer.authorization({ subject: 'alice' }) }
  assert.deepEqual(await call('me', alice), { status: 200, result: 'alice' })
  const reader = issuer.authorization({ roles: 'reader', scopes: 'invoices:read' })
  assert.deepEqual(await call('read', { authorization: reader }, 'POST'), { status: 200, result: ['reader'] })
  assert.deepEqual(await call('open', {}), { status: 200, result: 'open' })
})

for (const [headers, status, code, challenge] of [
  [{}, 401, 'UNAUTHORIZED', 'Bearer realm="billing"'],
  [
    { authorization: 'Bearer x' },
    401,
    'UNAUTHORIZED',
    'Bearer realm="billing", error="invalid_token", error_description="Invalid Token"',
  ],
  [
    { authorization: 'Bearer' },
    400,
    'BAD_REQUEST',
    'Bearer realm="billing", error="invalid_request", error_description="Malformed Authorization"',
  ],
] as const) {
  test(`${JSON.stringify(headers)} is answered ${code}, with the challenge`, async () => {
    assert.deepEqual(await call('me', headers), { status, code, challenge })
  })
}

test('a missing scope or role is FORBIDDEN, and the whole batch tells what is missing', async () => {
  const headers = { authorization: issuer.authorization() }
  const challenge =
    'Bearer realm="billing", error="insufficient_scope", error_description="Insufficient Scope", scope="invoices:read"'
  assert.deepEqual(await call('read', headers, 'POST'), { status: 403, code: 'FORBIDDEN', challenge })
  const reply = await fetch(`http://127.0.0.1:${port}/me,open?batch=1&input=%7B%7D`, {})
  assert.equal(reply.headers.get('www-authenticate'), 'Bearer realm="billing"')
  const [first, second] = (await reply.json()) as { error?: object; result?: { data: unknown } }[]
  assert.ok(first?.error !== undefined)
  assert.equal(second?.result?.data, 'open')
})

test('nothing of the inside is told', async () => {
  const reply = await fetch(`http://127.0.0.1:${port}/me`, { headers: { authorization: 'Bearer a.b.c' } })
  const text = await reply.text()
  assert.ok(!text.includes('a.b.c') && !text.includes('stack') && !text.includes('segments'), text)
})

test('keys that cannot be had are SERVICE_UNAVAILABLE, and when to come back', async () => {
  await using other = await startTestIssuer()
  other.fail({ keys: 503 })
  const need = guardTrpc(other.guard(), TRPCError)('authenticated')
  const down = t.router({ me: t.procedure.query(async ({ ctx }) => (await need(ctx.req)).subject) })
  const reply = await fetchRequestHandler({
    endpoint: '/trpc',
    router: down,
    req: new Request('http://127.0.0.1/trpc/me', { headers: { authorization: other.authorization() } }),
    createContext: ({ req }) => ({ req }),
    responseMeta: ({ errors }) => ({ headers: challengeHeaders(errors) }),
  })
  assert.equal(reply.status, 503)
  assert.equal(reply.headers.get('www-authenticate'), null)
  assert.match(reply.headers.get('retry-after')!, /^\d+$/)
})

test('on the fetch adapter, and what cannot be is refused when the service starts', async () => {
  const reply = await fetchRequestHandler({
    endpoint: '/trpc',
    router,
    req: new Request('http://127.0.0.1/trpc/me', { headers: { authorization: issuer.authorization() } }),
    createContext: ({ req }) => ({ req }),
  })
  assert.equal(reply.status, 200)
  assert.throws(() => needs({ role: 'x' } as object), { code: 'option-unknown' })
  assert.throws(() => guardTrpc(issuer.guard(), undefined as never), { code: 'option-invalid' })
})

for (const isGuarded of [false, true]) {
  test(`on the Fastify adapter${isGuarded ? ', behind a guard of Fastify’s own' : ''}`, async () => {
    const guard = issuer.guard({ realm: 'billing' })
    const own = guardTrpc(guard, TRPCError)
    const inFastify = initTRPC.context<CreateFastifyContextOptions>().create({ isDev: false })
    const need = own({ roles: 'reader' })
    const me = inFastify.procedure.query(async ({ ctx: { req } }) => {
      const auth = await need(req)
      assert.equal(authOf(req, guard), auth)
      return auth.subject
    })
    const app = fastify()
    if (isGuarded) await app.register(guardFastify(guard))
    await app.register(fastifyTRPCPlugin, {
      prefix: '/trpc',
      trpcOptions: {
        router: inFastify.router({ me }),
        createContext: (given: CreateFastifyContextOptions) => given,
        responseMeta: ({ ctx }: { ctx?: CreateFastifyContextOptions }) => ({
          headers: own.answerHeaders(ctx?.req),
        }),
      },
    })
    const url = `${await app.listen({ port: 0, host: '127.0.0.1' })}/trpc/me`
    const reader = { authorization: issuer.authorization({ subject: 'alice', roles: 'reader' }) }
    const passed = await fetch(url, { headers: reader })
    assert.deepEqual(await passed.json(), { result: { data: 'alice' } })
    const refused = await fetch(url, { headers: { authorization: issuer.authorization() } })
    assert.equal(refused.status, 403)
    assert.match(
      refused.headers.get('www-authenticate')!,
      /^Bearer realm="billing", error="insufficient_scope"/,
    )
    await app.close()
  })
}

test('a refusal tells the nonce to use, and an answer the next one', async () => {
  const [nonces, key] = [createDpopNonces(), createDpopKey()]
  const still = createTestIssuer({ nowMs: 1_800_000_000_000 })
  const publicUrl = 'https://billing.test'
  const own = guardTrpc(
    still.guard({ senderConstraint: 'required', publicUrl, proofs: { nonces } }),
    TRPCError,
  )
  const need = own('authenticated')
  const server = await listen(
    createHTTPServer({
      router: t.router({ me: t.procedure.query(async ({ ctx }) => (await need(ctx.req)).clientId) }),
      createContext: ({ req }) => ({ req }),
      responseMeta: ({ ctx }) => ({ headers: own.answerHeaders(ctx?.req) }),
    }) as Server,
  )
  const accessToken = still.token({ claims: { cnf: { jkt: key.thumbprint } } })
  const callWith = async (nonce: string | undefined) => {
    const proof = { key, method: 'GET', url: `${publicUrl}/me`, accessToken, nowMs: still.clock() }
    const dpop = createDpopProof(nonce === undefined ? proof : { ...proof, nonce })
    const headers = { authorization: `DPoP ${accessToken}`, dpop }
    const reply = await fetch(`http://127.0.0.1:${server.port}/me`, { headers })
    return [reply.status, reply.headers.get('dpop-nonce') ?? undefined] as const
  }
  const [status, nonce] = await callWith(undefined)
  assert.deepEqual([status, nonce], [401, nonces.current(still.clock())])
  assert.deepEqual(await callWith(nonce), [200, undefined])
  still.advance(61)
  assert.deepEqual(await callWith(nonce), [200, nonces.current(still.clock())])
  await server.close()
})

async function call(procedure: string, headers: Record<string, string>, method = 'GET') {
  const type = { 'content-type': 'application/json' }
  const reply = await fetch(`http://127.0.0.1:${port}/${procedure}`, {
    method,
    headers: { ...headers, ...type },
  })
  const { result, error } = (await reply.json()) as {
    result?: { data: unknown }
    error?: { data: { code: string } }
  }
  return error === undefined
    ? { status: reply.status, result: result?.data }
    : { status: reply.status, code: error.data.code, challenge: reply.headers.get('www-authenticate') }
}
