import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestIssuer } from '../testing/memory-issuer.ts'
import { startTestIssuer } from '../testing/loopback-issuer.ts'
import type { Guard } from './guard.ts'
import { checkOneRequirement, outcomeOf, responseHeadersOf } from './outcome.ts'
import { readRoutes } from './routes.ts'

const issuer = createTestIssuer()
const guard = issuer.guard({ realm: 'billing' })

test('allowed at once, with who acts', () => {
  const outcome = outcomeOf(guard, request(issuer.authorization({ subject: 'alice' })), 'authenticated')
  assert.ok(!(outcome instanceof Promise) && outcome.kind === 'allow')
  assert.equal(outcome.principal?.subject, 'alice')
  assert.deepEqual(responseHeadersOf(outcome), [])
  assert.deepEqual(responseHeadersOf({ ...outcome, responseHeaders: { 'DPoP-Nonce': 'n' } }), [
    ['DPoP-Nonce', 'n'],
  ])
})

test('refused at once, in the form the request asks for, or in none of it', () => {
  const asked = { method: 'GET', target: '/', rawHeaders: ['Accept', 'application/json'] }
  const json = outcomeOf(guard, asked, 'authenticated')
  assert.ok(!(json instanceof Promise) && json.kind === 'refused')
  assert.equal(json.challenge.status, 401)
  assert.equal(json.challenge.headers['WWW-Authenticate'], 'Bearer realm="billing"')
  assert.equal((JSON.parse(json.challenge.body) as { status: number }).status, 401)
  const plain = outcomeOf(guard, asked, 'authenticated', [])
  assert.ok(!(plain instanceof Promise) && plain.kind === 'refused')
  assert.equal(plain.challenge.body, 'No Authorization Token provided')
})

test('what is thrown, now or later, is a refusal with 503', async () => {
  await using remote = await startTestIssuer()
  remote.fail({ keys: 503 })
  const pending = outcomeOf(remote.guard(), request(remote.authorization()), 'authenticated')
  assert.ok(pending instanceof Promise)
  const later = await pending
  assert.ok(later.kind === 'refused')
  assert.equal(later.challenge.status, 503)
  const broken = {
    check() {
      throw new TypeError('a bug')
    },
    answerProblem: guard.answerProblem.bind(guard),
  } as unknown as Guard
  const now = outcomeOf(broken, request('x'), 'open')
  assert.ok(!(now instanceof Promise) && now.kind === 'refused')
  assert.equal(now.challenge.status, 503)
})

test('a requirement is checked, and a table of routes refused', () => {
  for (const good of ['open', 'authenticated', { roles: 'reader' }] as const) checkOneRequirement('x', good)
  assert.throws(() => checkOneRequirement('x', readRoutes({ 'GET /': 'open' }) as never), {
    code: 'option-invalid',
    message: 'x: expected a requirement, got a table of routes',
  })
  assert.throws(() => checkOneRequirement('x', {}), { code: 'policy-invalid' })
  assert.throws(() => checkOneRequirement('x', 'opne' as never))
})

function request(authorization: string) {
  return { method: 'GET', target: '/', rawHeaders: ['Authorization', authorization] }
}
