import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestIssuer } from '../testing/memory-issuer.ts'
import { authOf } from './auth-of.ts'
import { needOf, Refusal } from './refusal.ts'

const issuer = createTestIssuer()
const guard = issuer.guard({ realm: 'billing' })

test('who acts, remembered for the request', async () => {
  const request = requestWith(issuer.authorization({ subject: 'alice', roles: 'reader' }))
  const auth = await needOf('x', guard, { roles: 'reader' }, (refusal) => refusal)(request)
  assert.equal(auth.subject, 'alice')
  assert.equal(authOf(request), auth)
})

test('the framework’s own error, with the answer of HTTP as its cause', async () => {
  const need = needOf('x', guard, { roles: 'admin' }, (cause) => new TypeError('its own', { cause }))
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
  assert.throws(() => needOf('x', guard, {}, (refusal) => refusal), { code: 'policy-invalid' })
})

function requestWith(authorization: string): Request {
  return new Request('http://127.0.0.1/graphql', { method: 'POST', headers: { authorization } })
}
