import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '../core/problem.ts'
import { generateSigningKey, verificationKey } from '../jwt/key-readers.ts'
import { createKeySet } from '../jwt/key-set.ts'
import { createSigner } from '../jwt/signer.ts'
import { createVerifier } from '../jwt/verifier.ts'
import type { Policy } from '../policy/policy.ts'
import { createAuthContext } from './auth-context.ts'
import { guardFetch } from './fetch.ts'
import { createGuard } from './guard.ts'
import { readRoutes } from './routes.ts'

const issuer = 'https://issuer.example'
const key = generateSigningKey('ES256')
const token = createSigner({ key }).sign({
  iss: issuer,
  aud: 'billing',
  exp: Math.floor(Date.now() / 1000) + 600,
  sub: 'orders',
  roles: ['reader'],
})
const keySet = createKeySet([verificationKey(key)])
const guard = createGuard({
  issuer,
  audience: 'billing',
  keySet,
  tokenFrom: ['bearer', { cookie: 'access' }],
})
const routes = readRoutes({ 'GET /health': 'open', 'POST /invoices/{id}': { roles: 'reader' } })

const respond = guardFetch(guard, routes, async (request, auth, { params }) =>
  Response.json({ subject: auth?.subject, params, body: await request.text() }),
)

test('a good token passes, and the body is still unread', async () => {
  const reply = await respond(
    new Request('http://billing.example:8080/invoices/7?page=2', {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}` },
      body: 'the body',
    }),
  )
  assert.equal(reply.status, 200)
  assert.deepEqual(await reply.json(), { subject: 'orders', params: { id: '7' }, body: 'the body' })
})

for (const [url, init, status, body] of [
  ['http://h/health', {}, 200, '{"params":{},"body":""}'],
  ['http://h/health?x=y', {}, 200, '{"params":{},"body":""}'],
  ['http://h', {}, 404, 'Not Found'],
  ['http://h/invoices/7', { method: 'POST' }, 401, 'No Authorization Token provided'],
  ['http://h/invoices/7', {}, 405, 'Method Not Allowed'],
  ['http://h//health', {}, 400, 'Ambiguous Path'],
  ['http://h/health;x', {}, 400, 'Ambiguous Path'],
  ['http://h/x%2fhealth', {}, 400, 'Ambiguous Path'],
] as const) {
  test(`${url} ${JSON.stringify(init)} is answered ${status}`, async () => {
    const reply = await respond(new Request(url, init))
    assert.equal(reply.status, status)
    assert.equal(await reply.text(), body)
  })
}

test('two tokens, joined by the standard into one header, are refused', async () => {
  const headers = new Headers({ Authorization: `Bearer ${token}` })
  headers.append('authorization', `Bearer ${token}`)
  const reply = await respond(new Request('http://h/invoices/7', { method: 'POST', headers }))
  assert.equal(reply.status, 400)
  assert.match(reply.headers.get('www-authenticate')!, /error="invalid_request"/)
})

const askedByReader = () =>
  new Request('http://h/invoices/7', { headers: { Authorization: `Bearer ${token}` } })

/** What Next.js gives a route handler besides the request. */
type RouteContext = { readonly params: Promise<{ readonly id: string }> }

test('what a framework gives besides the request reaches the handler: the params of Next.js', async () => {
  const context = { params: Promise.resolve({ id: '7' }) }
  const named = guardFetch(
    guard,
    { roles: 'reader' },
    async (_request, auth, _decision, { params }: RouteContext) =>
      Response.json({ id: (await params).id, for: auth.subject }),
  )
  const asked: (request: Request, context: RouteContext) => Promise<Response> = guardFetch(
    guard,
    routes,
    async (_request, auth, { route }, { params }) =>
      Response.json({ id: (await params).id, for: auth?.subject, route }),
  )
  assert.deepEqual(await (await named(askedByReader(), context)).json(), { id: '7', for: 'orders' })
  const post = new Request(askedByReader(), { method: 'POST' })
  assert.deepEqual(await (await asked(post, context)).json(), {
    id: '7',
    for: 'orders',
    route: '/invoices/{id}',
  })
  // A handler that reads a second argument is not called without one, by the compiler's word.
  const isNeeded: [Request] extends Parameters<typeof named> ? false : true = true
  assert.ok(isNeeded)
})

test('the env and ctx of a worker, also inside of a context', async () => {
  type Worker<Env> = {
    readonly fetch: (request: Request, env: Env, ctx: { waitUntil(what: string): void }) => Promise<Response>
  }
  const callers = createAuthContext()
  const inside = createGuard({ issuer, audience: 'billing', keySet, context: callers })
  for (const one of [guard, inside]) {
    const waiting: string[] = []
    const worker = {
      fetch: guardFetch(one, 'authenticated', (_request, auth, _decision, env, ctx) => {
        ctx.waitUntil(env.log)
        return new Response(auth.subject)
      }),
    } satisfies Worker<{ readonly log: string }>
    const ctx = { waitUntil: (what: string) => void waiting.push(what) }
    assert.equal(await (await worker.fetch(askedByReader(), { log: 'kept' }, ctx)).text(), 'orders')
    assert.deepEqual(waiting, ['kept'])
  }
})

test('a framework that calls with an event: the request out of it, and the event behind it', async () => {
  type Event = { readonly request: Request; readonly params: { readonly id: string } }
  const read = guardFetch(guard, { roles: 'reader' }, (_request, auth, _decision, { params }: Event) =>
    Response.json({ id: params.id, for: auth.subject }),
  )
  const GET = (event: Event) => read(event.request, event)
  const reply = await GET({ request: askedByReader(), params: { id: '7' } })
  assert.deepEqual(await reply.json(), { id: '7', for: 'orders' })
  const refused = await GET({ request: new Request('http://h/invoices/7'), params: { id: '7' } })
  assert.equal(refused.status, 401)
})

test('a refusal of HEAD has no body', async () => {
  const reply = await respond(new Request('http://h/nothing', { method: 'HEAD' }))
  assert.equal(reply.status, 404)
  assert.equal(reply.body, null)
})

test('a failure to decide is a 503', async () => {
  const verifier = createVerifier({
    issuer,
    audience: 'billing',
    keySet: {
      generation: 0,
      checkAfterMs: 0,
      find: () => 'fetch',
      load: () => Promise.reject(new Problem('keys-unavailable', 'inside only')),
    },
  })
  const down = guardFetch(createGuard({ verifier }), 'authenticated', () =>
    assert.fail('must not be reached'),
  )
  const reply = await down(new Request('http://h/x', { headers: { Authorization: `Bearer ${token}` } }))
  assert.equal(reply.status, 503)
  assert.equal(reply.headers.get('retry-after'), '5')
})

test('what the function itself throws is its own', async () => {
  const broken = guardFetch(guard, 'open', () => {
    throw new TypeError('a bug of the service')
  })
  await assert.rejects(broken(new Request('http://h/x')), { message: 'a bug of the service' })
})

test('a misspelt requirement is refused when the service starts', () => {
  const misspelt = { rols: 'reader' } as unknown as Policy
  assert.throws(() => guardFetch(guard, misspelt, () => assert.fail()), { code: 'option-unknown' })
})
