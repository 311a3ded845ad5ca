import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '../core/problem.ts'
import { generateSigningKey, verificationKey } from '../jwt/key-readers.ts'
import { createKeySet } from '../jwt/key-set.ts'
import { createSigner } from '../jwt/signer.ts'
import { createVerifier } from '../jwt/verifier.ts'
import { guardFetch } from './fetch.ts'
import type { Policy } from '../policy/policy.ts'
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
