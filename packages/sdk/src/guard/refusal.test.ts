import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { after, test } from 'node:test'
import { listen } from '../../../../test/guard/listen.ts'
import { createTestIssuer } from '../testing/memory-issuer.ts'
import { createAuthContext } from './auth-context.ts'
import { authOf } from './auth-of.ts'
import { needsOf, Refusal } from './refusal.ts'
import type { HttpRequest } from './refusal.ts'

const issuer = createTestIssuer()
const guard = issuer.guard({ realm: 'billing' })

test('who acts, remembered for the request', async () => {
  const request = requestWith(issuer.authorization({ subject: 'alice', roles: 'reader' }))
  const auth = await needsOf('x', guard, (refusal) => refusal)({ roles: 'reader' })(request)
  assert.equal(auth.subject, 'alice')
  assert.equal(authOf(request), auth)
})

test('what follows runs in the guard’s context, a promise that begins when it is waited for as well', async () => {
  const context = createAuthContext()
  const need = needsOf('x', issuer.guard({ context }), (cause) => cause)({ roles: 'reader' })
  const alice = requestWith(issuer.authorization({ subject: 'alice', roles: 'reader' }))
  assert.equal(await need(alice, (auth) => [auth.subject, context.auth().subject].join()), 'alice,alice')
  // As query builders have it.
  const query = { then: (resolve: (subject: unknown) => void) => resolve(context.auth().subject) }
  assert.equal(await need(alice, () => query as unknown as Promise<unknown>), 'alice')
  assert.throws(() => context.auth(), { code: 'auth-missing' })
  await assert.rejects(
    need(alice, () => {
      throw new RangeError('the handler’s own')
    }),
    RangeError,
  )
})

test('nothing follows for a request that is refused', async () => {
  const need = needsOf('x', guard, (cause) => cause)({ roles: 'admin' })
  const refused = need(requestWith(issuer.authorization({ roles: 'reader' })), () => assert.fail('it ran'))
  await assert.rejects(refused, (error) => error instanceof Refusal)
})

test('the framework’s own error, with the answer of HTTP as its cause', async () => {
  const need = needsOf('x', guard, (cause) => new TypeError('its own', { cause }))({ roles: 'admin' })
  for (const [header, status, text] of [
    ['Bearer x', 401, 'Invalid Token'],
    [issuer.authorization(), 403, 'Forbidden'],
  ] as const) {
    await assert.rejects(need(requestWith(header)), (error: TypeError) => {
      assert.equal(error.message, 'its own')
      assert.ok(error.cause instanceof Refusal)
      assert.equal(error.cause.message, text)
      assert.equal(error.cause.challenge.status, status)
      assert.match(error.cause.challenge.headers['WWW-Authenticate']!, /^Bearer realm="billing"/)
      return true
    })
  }
})

test('a requirement that cannot be is refused at once', () => {
  assert.throws(() => needsOf('x', guard, (refusal) => refusal)({}), { code: 'policy-invalid' })
})

test('what the answer should say besides is known by the request, and the first refusal counts', async () => {
  const needs = needsOf('x', guard, (refusal) => refusal)
  const request = requestWith(issuer.authorization())
  assert.deepEqual(needs.answerHeaders(request), {})
  assert.deepEqual(needs.answerHeaders(undefined), {})
  await needs('authenticated')(request)
  assert.deepEqual(needs.answerHeaders(request), {})
  for (const requirement of [{ scopes: 'one' }, { scopes: 'other' }, 'authenticated'] as const) {
    await needs(requirement)(request).catch(() => undefined)
  }
  const challenge = 'error="insufficient_scope", error_description="Insufficient Scope", scope="one"'
  const expected = { 'WWW-Authenticate': `Bearer realm="billing", ${challenge}` }
  assert.deepEqual(needs.answerHeaders(request), expected)
  assert.deepEqual(needsOf('x', guard, (refusal) => refusal).answerHeaders(request), {}, 'said by another')
})

test('a body that somebody has put on a Request as its raw is not taken for a message', async () => {
  const authorization = issuer.authorization({ subject: 'mallory' })
  const raw = { method: 'GET', url: '/', rawHeaders: ['authorization', authorization], socket: {} }
  const need = needsOf('x', guard, (refusal) => refusal)('authenticated')
  for (const given of [raw, 'a text']) {
    const request = Object.assign(new Request('http://h/'), { raw: given })
    await assert.rejects(need(request), (error) => error instanceof Refusal && error.challenge.status === 401)
  }
})

test('Fastify’s request, and a message on which somebody has put a raw of their own', async () => {
  const readers = needsOf('x', guard, (refusal) => refusal)({ roles: 'reader' })
  const port = await serve(async (message) => {
    const given = { raw: message, originalUrl: '/as-it-came' }
    const auth = await readers(given)
    assert.equal(authOf(given), auth)
    const own = Object.assign(message, { raw: Buffer.from('a body') })
    assert.equal(await readers(own as unknown as HttpRequest), auth)
    return auth.subject!
  })
  const headers = { authorization: issuer.authorization({ subject: 'alice', roles: 'reader' }) }
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/changed`, { headers })).text(), 'alice')
})

async function serve(answer: (message: IncomingMessage) => Promise<string>): Promise<number> {
  const { port, close } = await listen(
    createServer((message, response) => {
      void answer(message).then(
        (text) => response.end(text),
        (error: unknown) => response.end(String(error)),
      )
    }),
  )
  after(close)
  return port
}

function requestWith(authorization: string): Request {
  return new Request('http://127.0.0.1/graphql', { method: 'POST', headers: { authorization } })
}
