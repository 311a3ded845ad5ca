import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { canonicalPath } from '@countersign/sdk/policy'
import type { Principal } from '@countersign/sdk/policy'
import { KeySets } from '../gateway/decision/key-sets.ts'
import { compileRoutes } from '../gateway/decision/routes.ts'
import type { UpstreamPool } from '../gateway/upstream/upstream-pool.ts'
import { silentLog } from '../log.ts'
import { explainClients, explainRoute, findPlace, requirementText } from './explain.ts'
import type { Place } from './explain.ts'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'
import type { Trust } from './trust.ts'

const trust = trustFrom(`issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, store: 'memory:' }
services:
  rest:
    audience: rest
    upstream: http://127.0.0.1:1
    at: /
    routes: { GET /: open, 'GET /{**}': authenticated }
  billing:
    audience: billing
    roles: [reader, admin]
    upstream: http://127.0.0.1:2
    at: /billing
    routes:
      GET /health: open
      GET /invoices/{id}: { roles: reader }
      POST /invoices: { roles: admin, scopes: write }
      DELETE /invoices/{id}: { roles: admin, claims: { /tenant: { equals: acme } } }
  deep:
    audience: deep
    upstream: http://127.0.0.1:3
    at: /billing/deep
    routes: { GET /: open, GET /a: open }
  hosted:
    audience: hosted
    upstream: http://127.0.0.1:4
    host: hosted.example
    routes: { GET /billing/health: open }
  alone:
    audience: alone
    routes: { GET /: open }
clients:
  orders: { authenticate: { secret: { env: S } }, may: { billing: { roles: reader } } }
  office: { authenticate: { secret: { env: S } }, may: { billing: { roles: [reader, admin], scopes: write } } }
  guest: { authenticate: { secret: { env: S } }, may: { billing: {} } }
  other: { authenticate: { secret: { env: S } } }
`)

describe('where a request goes', () => {
  const cases: [request: string, expected: string][] = [
    ['GET /', 'rest GET / → /'],
    ['GET /x/y?z=1', 'rest GET /{**} → /x/y?z=1'],
    ['GET /billing', 'billing route-unknown'],
    ['GET /billing/health', 'billing GET /health → /health'],
    ['HEAD /billing/health', 'billing GET /health → /health'],
    ['GET /billing/invoices/7', 'billing GET /invoices/{id} → /invoices/7'],
    ['GET /billingx', 'rest GET /{**} → /billingx'],
    ['PUT /billing/invoices/7', 'billing method-unknown'],
    ['GET /billing/deep', 'deep GET / → /'],
    ['GET /billing/deep/a', 'deep GET /a → /a'],
    ['GET /billing/deeper', 'billing route-unknown'],
    ['GET /billing/../billing/health', '? path-ambiguous'],
    ['GET billing', '? request-malformed'],
  ]
  for (const [request, expected] of cases) test(request, () => assert.equal(said(placeOf(request)), expected))

  test('a host belongs to its service alone', () => {
    assert.equal(
      said(placeOf('GET /billing/health', 'hosted.example')),
      'hosted GET /billing/health → /billing/health',
    )
    assert.equal(said(placeOf('GET /billing/invoices/7', 'hosted.example')), 'hosted route-unknown')
    assert.equal(said(placeOf('GET /billing/health', 'other.example')), 'billing GET /health → /health')
  })

  test('a service can be asked itself, also one that no gateway stands before', () => {
    const service = trust.services.get('alone') ?? assert.fail()
    assert.equal(said(findPlace(trust, { method: 'GET', target: '/', service })), 'alone GET / → /')
    assert.equal(said(findPlace(trust, { method: 'GET', target: '/x', service })), 'alone route-unknown')
  })

  test('the methods a path has', () => {
    const place = placeOf('PUT /billing/invoices/7')
    assert.deepEqual(place.kind === 'refused' && place.allow, ['DELETE', 'GET', 'HEAD'])
  })

  test('always as the gateway finds it', () => {
    const routing = compileRoutes(trust, {
      realm: 'test',
      ownIssuer: undefined,
      keySets: new KeySets(Date.now, silentLog),
      clock: Date.now,
      rememberedTokens: 1_000,
      poolFor: () => Object.freeze({}) as UpstreamPool,
    })
    const segment = fc.constantFrom(
      'billing',
      'deep',
      'health',
      'invoices',
      'a',
      '7',
      '',
      '..',
      '%61',
      '%2f',
      'x',
    )
    const method = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS')
    const host = fc.constantFrom(undefined, 'hosted.example', 'other.example')
    fc.assert(
      fc.property(method, fc.array(segment, { maxLength: 5 }), host, (verb, segments, name) => {
        const target = `/${segments.join('/')}`
        const path = canonicalPath(target)
        const place = findPlace(trust, { method: verb, target, host: name })
        if ('reason' in path) return assert.equal(said(place), `? ${path.reason}`)
        const service = routing.find(name, path)
        assert.equal(place.service?.name, service?.name)
        const match = service?.table.match(verb, path, service.prefixSegments)
        assert.equal(place.kind === 'route' ? 'route' : place.denial.reason, match?.kind ?? 'service-unknown')
        if (place.kind === 'route' && match?.kind === 'route') {
          assert.equal(`${place.route.method} ${place.route.template}`, match.route.name)
          assert.deepEqual(place.params, match.params)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('what a route says to a caller', () => {
  const place = placeOf('POST /billing/invoices')
  const route = place.kind === 'route' ? place.route : assert.fail()

  test('each check by itself', () => {
    const answer = explainRoute(route, principal({ roles: ['reader'], scopes: ['write'] }))
    assert.equal(answer.outcome, 'deny')
    assert.equal(answer.denial?.reason, 'role-missing')
    assert.deepEqual(
      answer.checks.map(({ text, verdict }) => [text, verdict]),
      [
        ['scope "write"', 'holds'],
        ['role "admin"', 'fails'],
      ],
    )
  })

  test('allowed', () => {
    const answer = explainRoute(route, principal({ roles: ['admin'], scopes: ['write'] }))
    assert.deepEqual([answer.outcome, answer.denial], ['allow', undefined])
  })
})

test('what a route takes, in one line', () => {
  assert.equal(requirementText('open'), 'nothing: it is open to anybody')
  assert.equal(requirementText('authenticated'), 'any valid token for the service')
  assert.equal(
    requirementText({ roles: 'admin', anyOf: [{ scopes: 'a' }, { scopes: 'b' }] }),
    'role "admin", any of (scope "a"; scope "b")',
  )
})

describe('which clients could call it', () => {
  const clients = (request: string): string[] => {
    const place = placeOf(request)
    const { service, route } = place.kind === 'route' ? place : assert.fail()
    return explainClients(trust, service, route).map(({ client, outcome }) => `${client} ${outcome}`)
  }

  test('with everything they may have', () => {
    assert.deepEqual(clients('GET /billing/invoices/7'), ['orders allow', 'office allow', 'guest deny'])
    assert.deepEqual(clients('POST /billing/invoices'), ['orders deny', 'office allow', 'guest deny'])
  })

  test('a claim decides what the trust file does not know', () => {
    assert.deepEqual(clients('DELETE /billing/invoices/7'), ['orders deny', 'office depends', 'guest deny'])
  })

  test('nobody without a grant', () => {
    assert.deepEqual(clients('GET /x'), [])
  })
})

function placeOf(request: string, host?: string): Place {
  const [method = '', target = ''] = request.split(' ')
  return findPlace(trust, { method, target, host })
}

function said(place: Place): string {
  if (place.kind === 'refused') return `${place.service?.name ?? '?'} ${place.denial.reason}`
  return `${place.service.name} ${place.route.method} ${place.route.template} → ${place.forwardedPath}`
}

function principal({ roles, scopes }: { roles: string[]; scopes: string[] }): Principal {
  const claims = { roles, scope: scopes.join(' ') }
  return {
    kind: 'client',
    issuer: 'http://localhost:8080',
    subject: 'c',
    clientId: 'c',
    actor: undefined,
    scopes: new Set(scopes),
    roles: new Set(roles),
    tokenId: undefined,
    expiresAtSeconds: 1,
    claims,
  }
}

function trustFrom(text: string): Trust {
  const reading = readTrust(text, { file: 'f', env: { S: 's'.repeat(32) }, readFile: () => '' })
  return reading.kind === 'trust' ? reading.trust : assert.fail(mistakesText('f', reading.mistakes))
}
