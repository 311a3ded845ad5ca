import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Problem } from '../core/problem.ts'
import { generateSigningKey, publicJwk, verificationKey } from '../jwt/key-readers.ts'
import { createKeySet } from '../jwt/key-set.ts'
import { createRemoteKeySet } from '../jwt/remote-key-set.ts'
import { createSigner } from '../jwt/signer.ts'
import { createVerifier } from '../jwt/verifier.ts'
import type { Decision } from '../policy/decide.ts'
import type { Requirement } from '../policy/policy.ts'
import type { DecisionEvent } from './decision-event.ts'
import { createGuard } from './guard.ts'
import type { GuardOptions } from './guard-options.ts'
import { readRoutes } from './routes.ts'

const nowSeconds = 1_800_000_000
const issuer = 'https://issuer.example'
const key = generateSigningKey('ES256', { keyId: 'k1' })
const signer = createSigner({ key })
const claims = {
  iss: issuer,
  aud: 'billing',
  exp: nowSeconds + 60,
  sub: 'orders',
  client_id: 'orders',
  jti: 'j1',
}
const reader = signer.sign({ ...claims, roles: ['reader'], scope: 'invoices:read' })

const events: DecisionEvent[] = []
const guard = createGuard({
  issuer,
  audience: 'billing',
  keySet: createKeySet([verificationKey(key)]),
  clock: () => nowSeconds * 1000,
  onDecision: (event) => events.push(event),
})
const routes = readRoutes({
  'GET /health': 'open',
  'GET /invoices/{id}': { roles: 'reader', scopes: ['invoices:read'] },
  'DELETE /invoices/{id}': { roles: 'admin', scopes: ['invoices:read', 'invoices:delete'] },
  'GET /me': 'authenticated',
})

test('a good token: allow, at once, with who acts and the route', () => {
  const decision = guard.check(request('GET', '/invoices/7?page=2', reader), routes)
  assert.ok(!(decision instanceof Promise), 'the keys are at hand, so there is nothing to wait for')
  assert.ok(decision.kind === 'allow')
  assert.equal(decision.principal?.subject, 'orders')
  assert.equal(decision.route, '/invoices/{id}')
  assert.deepEqual(decision.params, { id: '7' })
})

test('the same token gives the same principal, read once', () => {
  const first = now(guard.check(request('GET', '/me', reader), routes))
  const second = now(guard.check(request('GET', '/invoices/8', reader), routes))
  assert.ok(first.kind === 'allow' && second.kind === 'allow')
  assert.equal(first.principal, second.principal)
})

test('a cached token is still asked what the route needs', () => {
  assert.equal(now(guard.check(request('GET', '/invoices/7', reader), routes)).kind, 'allow')
  const decision = now(guard.check(request('DELETE', '/invoices/7', reader), routes))
  assert.ok(decision.kind === 'deny')
  assert.equal(decision.denial.reason, 'scope-missing')
  const answer = guard.answer(decision, [])
  assert.equal(answer.status, 403)
  assert.match(answer.headers['WWW-Authenticate']!, /scope="invoices:read invoices:delete"/)
})

test('an open route asks nobody, whatever they show', () => {
  for (const token of [undefined, reader, 'garbage']) {
    const decision = now(guard.check(request('GET', '/health', token), routes))
    assert.deepEqual(decision, { kind: 'allow', principal: undefined, route: '/health', params: {} })
  }
})

for (const [method, target, token, reason, status] of [
  ['GET', '/invoices/7', undefined, 'token-missing', 401],
  ['GET', '/invoices/7', 'a.b', 'token-malformed', 401],
  ['GET', '/invoices/7', 'a b', 'credentials-malformed', 400],
  ['GET', '/invoices/7', signer.sign({ ...claims, exp: nowSeconds - 60 }), 'token-expired', 401],
  ['GET', '/invoices/7', signer.sign({ ...claims, aud: 'orders' }), 'audience-mismatch', 401],
  ['GET', '/invoices/7', signer.sign({ ...claims, iss: 'https://other.example' }), 'issuer-mismatch', 401],
  ['GET', '/invoices/7', signer.sign({ ...claims, act: 'x' }), 'claim-malformed', 401],
  ['GET', '/invoices/7', signer.sign({ ...claims, scope: 'invoices:read' }), 'role-missing', 403],
  ['GET', '/nothing', reader, 'route-unknown', 404],
  ['POST', '/invoices/7', reader, 'method-unknown', 405],
  ['GET', '/health/../invoices/7', reader, 'path-ambiguous', 400],
  ['GET', '/health;/x', reader, 'path-ambiguous', 400],
  ['GET', 'http://other/health', undefined, 'request-malformed', 400],
] as const) {
  test(`${method} ${target} is refused: ${reason}`, () => {
    const decision = now(guard.check(request(method, target, token), routes))
    assert.ok(decision.kind === 'deny')
    assert.equal(decision.denial.reason, reason)
    assert.equal(guard.answer(decision, []).status, status)
    assert.equal(events.at(-1)?.reason, reason)
  })
}

test('the methods of a path are named', () => {
  const decision = now(guard.check(request('POST', '/invoices/7', reader), routes))
  assert.ok(decision.kind === 'deny')
  assert.equal(guard.answer(decision, []).headers['Allow'], 'DELETE, GET, HEAD')
})

test('one requirement for everything still refuses ambiguous paths', () => {
  const policy: Requirement = { roles: 'reader' }
  assert.equal(now(guard.check(request('GET', '/any/thing', reader), policy)).kind, 'allow')
  assert.equal(now(guard.check(request('GET', '/any/%2e%2e/thing', reader), policy)).kind, 'deny')
  assert.equal(now(guard.check(request('GET', '/x', undefined), 'open')).kind, 'allow')
  assert.throws(() => guard.check(request('GET', '/x', reader), { rols: 'reader' } as Requirement), {
    code: 'option-unknown',
  })
})

test('a decision is told once, with what joins the records, and never the token', () => {
  events.length = 0
  void guard.check(request('GET', '/invoices/7', reader), routes)
  const expired = signer.sign({ ...claims, jti: 'j2', exp: 1 })
  void guard.check(request('GET', '/invoices/7', expired), routes)
  assert.deepEqual(
    events.map(({ kind, method, route, reason, token, claimed }) => ({
      kind,
      method,
      route,
      reason,
      token,
      claimed,
    })),
    [
      {
        kind: 'allow',
        method: 'GET',
        route: '/invoices/{id}',
        reason: undefined,
        token: { issuer, tokenId: 'j1', keyId: 'k1', clientId: 'orders' },
        claimed: undefined,
      },
      {
        kind: 'deny',
        method: 'GET',
        route: '/invoices/{id}',
        reason: 'token-expired',
        token: undefined,
        claimed: { issuer, tokenId: 'j2', keyId: 'k1', clientId: 'orders' },
      },
    ],
  )
  for (const token of [reader, expired]) {
    assert.ok(!JSON.stringify(events).includes(token.slice(token.lastIndexOf('.'))), 'no signature')
  }
})

test('a callback that throws changes no decision', () => {
  const noisy = make({
    onDecision() {
      throw new Error('the disk is full')
    },
  })
  assert.equal(now(noisy.check(request('GET', '/x', reader), 'authenticated')).kind, 'allow')
  assert.equal(now(noisy.check(request('GET', '/x', undefined), 'authenticated')).kind, 'deny')
})

test('the answer is JSON for those who ask, with realm and metadata as set', () => {
  const url = 'https://billing.example/.well-known/oauth-protected-resource'
  const own = make({ realm: 'billing', resourceMetadata: url })
  const decision = now(own.check(request('GET', '/x', undefined), 'authenticated'))
  assert.ok(decision.kind === 'deny')
  const answer = own.answer(decision, ['ACCEPT', 'text/plain;q=0.5', 'accept', 'application/json'])
  assert.equal(answer.headers['Content-Type'], 'application/problem+json')
  assert.equal(answer.headers['WWW-Authenticate'], `Bearer realm="billing", resource_metadata="${url}"`)
})

test('roles stand where the issuer puts them, tokens where the service says', () => {
  const own = make({ roles: '/realm_access/roles', tokenFrom: [{ header: 'Token' }] })
  const token = signer.sign({ ...claims, realm_access: { roles: ['reader'] } })
  const check = (rawHeaders: string[]) =>
    now(own.check({ method: 'GET', target: '/', rawHeaders }, { roles: 'reader' }))
  assert.equal(check(['Token', token]).kind, 'allow')
  assert.equal(check(['Token', reader]).kind, 'deny')
  assert.equal(check(['Authorization', `Bearer ${token}`]).kind, 'deny')
})

test('keys are fetched from the issuer when they are needed, once for all who wait', async (t) => {
  let fetches = 0
  const server = createServer((request, response) => {
    const documents: Record<string, unknown> = {
      '/.well-known/oauth-authorization-server': { issuer: url, jwks_uri: `${url}/jwks` },
      '/jwks': { keys: [publicJwk(key)] },
    }
    if (request.url === '/jwks') fetches++
    const document = documents[request.url!]
    response.writeHead(document === undefined ? 404 : 200, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify(document ?? {}))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const own = createGuard({ issuer: url, audience: 'billing' })
  const token = signer.sign({ ...claims, iss: url, exp: Math.floor(Date.now() / 1000) + 60 })
  const pending = [1, 2, 3].map(() => own.check(request('GET', '/x', token), 'authenticated'))
  assert.ok(pending.every((decision) => decision instanceof Promise))
  assert.deepEqual(
    (await Promise.all(pending)).map(({ kind }) => kind),
    ['allow', 'allow', 'allow'],
  )
  assert.equal(fetches, 1)
  assert.ok(
    !(own.check(request('GET', '/x', token), 'authenticated') instanceof Promise),
    'now they are at hand',
  )
})

test('an issuer that cannot be reached: a problem and a 503, never an answer about the token', async () => {
  const seen: DecisionEvent[] = []
  const own = createGuard({
    verifier: createVerifier({
      issuer: 'http://127.0.0.1:1',
      audience: 'billing',
      keySet: createRemoteKeySet({ issuer: 'http://127.0.0.1:1' }),
    }),
    onDecision: (event) => seen.push(event),
  })
  const token = signer.sign({ ...claims, iss: 'http://127.0.0.1:1', exp: 9_999_999_999 })
  await assert.rejects(async () => own.check(request('GET', '/x', token), 'authenticated'), {
    code: 'keys-unavailable',
  })
  await assert.rejects(own.warm(), { code: 'keys-unavailable' })
  assert.deepEqual([seen[0]?.kind, seen[0]?.reason], ['unable', 'keys-unavailable'])
  const answer = own.answerProblem(new Problem('keys-unavailable', 'x', { retryAfterSeconds: 3 }), [])
  assert.deepEqual([answer.status, answer.headers['Retry-After']], [503, '3'])
  assert.equal(own.answerProblem(new TypeError('x'), []).status, 503, 'whatever was thrown')
})

test('what is misspelt or missing is refused when the guard is made', () => {
  assert.throws(() => make({ audiense: 'x' } as unknown as GuardOptions), { code: 'option-unknown' })
  assert.throws(() => createGuard({ issuer } as unknown as GuardOptions), { code: 'option-invalid' })
  assert.throws(() => make({ tokenFrom: [] }), { code: 'option-invalid' })
  assert.throws(() => make({ roles: '/a~' }), { code: 'policy-invalid' })
  const verifier = createVerifier({
    issuer,
    audience: 'billing',
    keySet: createKeySet([verificationKey(key)]),
  })
  assert.throws(() => createGuard({ verifier, audience: 'x' } as unknown as GuardOptions), {
    code: 'option-unknown',
  })
})

function make(options: Partial<GuardOptions>): ReturnType<typeof createGuard> {
  return createGuard({
    issuer,
    audience: 'billing',
    keySet: createKeySet([verificationKey(key)]),
    clock: () => nowSeconds * 1000,
    ...options,
  } as GuardOptions)
}

function request(method: string, target: string, token: string | undefined) {
  return { method, target, rawHeaders: token === undefined ? [] : ['Authorization', `Bearer ${token}`] }
}

function now(decision: Decision | Promise<Decision>): Decision {
  assert.ok(!(decision instanceof Promise))
  return decision
}
