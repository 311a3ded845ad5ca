import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { createSigner, generateSigningKey, publicJwk } from '@countersign/sdk/jwt'
import { systemClock } from '@countersign/sdk/core'
import { canonicalPath } from '@countersign/sdk/policy'
import { check } from './check.ts'
import { KeySets } from './key-sets.ts'
import { readLimits } from '../front/limits.ts'
import { compileRoutes } from './routes.ts'
import type { ReadyRoute, ReadyService } from './routes.ts'
import { silentLog } from '../../log.ts'
import { issuerAt, listenOn, standTrust } from '../../../../../test/gateway/stand.ts'
import type { Trust } from '../../trust/trust.ts'
import { Upstreams } from '../upstream/upstreams.ts'

test('open routes ask nobody', async () => {
  const { outcome } = await decide({ target: '/billing/health', authorization: 'Bearer nonsense' })
  assert.deepEqual(outcome, { token: undefined, result: { principal: undefined, identity: '' } })
})

test('the keys are fetched when they are not at hand, then the answer is immediate', async () => {
  const issuer = await openIssuer()
  try {
    const scene = build(issuer.url)
    const first = check(
      scene.service,
      scene.route('/billing/invoices/7'),
      scene.headers(issuer.token()),
      Date.now(),
    )
    assert.ok(first instanceof Promise)
    assert.ok('identity' in (await first).result)
    const fetched = issuer.fetches.length
    const second = check(
      scene.service,
      scene.route('/billing/invoices/7'),
      scene.headers(issuer.token()),
      Date.now(),
    )
    assert.ok(!(second instanceof Promise))
    assert.equal(issuer.fetches.length, fetched)
  } finally {
    issuer.close()
  }
})

test('keys that cannot be had are a Problem, never a denial', async () => {
  const scene = build('http://127.0.0.1:1')
  const token = createSigner({ key: generateSigningKey('ES256') }).sign({
    iss: 'http://127.0.0.1:1',
    aud: 'https://billing.acme.example',
    exp: 4_000_000_000,
  })
  await assert.rejects(
    async () => check(scene.service, scene.route('/billing/invoices/7'), scene.headers(token), Date.now()),
    { code: 'keys-unavailable' },
  )
})

test('a denied token leaves nothing to record but the reason', async () => {
  const { outcome } = await decide({ target: '/billing/invoices/7', authorization: 'Bearer a.b.c' })
  assert.equal(outcome.token, undefined)
  assert.ok('reason' in outcome.result)
  assert.equal(outcome.result.reason, 'token-malformed')
})

async function decide(request: {
  target: string
  authorization: string
}): Promise<{ outcome: Awaited<ReturnType<typeof check>> }> {
  const scene = build('http://127.0.0.1:1')
  const headers = ['Host', 'a', 'Authorization', request.authorization]
  return { outcome: await check(scene.service, scene.route(request.target), headers, Date.now()) }
}

function build(issuerUrl: string): {
  service: ReadyService
  route(target: string): ReadyRoute
  headers(token: string): string[]
} {
  const trust: Trust = {
    ...standTrust('http://127.0.0.1:1'),
    issuer: issuerAt(issuerUrl),
  }
  const routing = compileRoutes(trust, {
    realm: 'acme',
    ownIssuer: undefined,
    keySets: new KeySets(systemClock, silentLog),
    clock: systemClock,
    rememberedTokens: 1_000,
    poolFor: (one) => new Upstreams(readLimits(), silentLog, () => ({ nowMs: 0, stop() {} })).poolFor(one),
  })
  const [service] = routing.services
  assert.ok(service !== undefined)
  return {
    service,
    route(target) {
      const path = canonicalPath(target)
      assert.ok(!('reason' in path))
      const match = service.table.match('GET', path, service.prefixSegments)
      assert.ok(match.kind === 'route')
      return match.route
    },
    headers: (token) => ['Host', 'a', 'Authorization', `Bearer ${token}`],
  }
}

async function openIssuer(): Promise<{ url: string; fetches: string[]; token(): string; close(): void }> {
  const key = generateSigningKey('ES256')
  const fetches: string[] = []
  const server = createServer((request, response) => {
    fetches.push(request.url ?? '')
    const document =
      request.url === '/jwks' ? { keys: [publicJwk(key)] } : { issuer: url, jwks_uri: `${url}/jwks` }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(document))
  })
  const url = `http://127.0.0.1:${await listenOn(server)}`
  const signer = createSigner({ key })
  return {
    url,
    fetches,
    token: () =>
      signer.sign({
        iss: url,
        aud: 'https://billing.acme.example',
        sub: 'orders',
        roles: ['reader'],
        exp: Math.floor(Date.now() / 1000) + 60,
      }),
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
