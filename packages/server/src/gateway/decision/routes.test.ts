import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKeySet } from '@countersign/sdk/jwt'
import { systemClock } from '@countersign/sdk/core'
import { canonicalPath } from '@countersign/sdk/policy'
import { KeySets } from './key-sets.ts'
import { readLimits } from '../front/limits.ts'
import { compileRoutes } from './routes.ts'
import type { Routing } from './routes.ts'
import { silentLog } from '../../log.ts'
import type { Service, Trust } from '../../trust/trust.ts'
import { standService, standTrust } from '../../../../../test/gateway/stand.ts'
import { Upstreams } from '../upstream/upstreams.ts'

test('the longest prefix wins, by whole segments', () => {
  const routing = compile(
    service('root', { at: '/' }),
    service('billing', { at: '/billing' }),
    service('archive', { at: '/billing/archive' }),
  )
  assert.equal(find(routing, '/billing/7'), 'billing')
  assert.equal(find(routing, '/billing'), 'billing')
  assert.equal(find(routing, '/billing/'), 'billing')
  assert.equal(find(routing, '/billing/archive'), 'archive')
  assert.equal(find(routing, '/billing/archive/7'), 'archive')
  assert.equal(find(routing, '/billing/archived'), 'billing')
  assert.equal(find(routing, '/billings'), 'root')
  assert.equal(find(routing, '/Billing/7'), 'root')
  assert.equal(find(routing, '/'), 'root')
})

test('nobody claims what nobody claims', () => {
  const routing = compile(service('billing', { at: '/billing' }))
  assert.equal(find(routing, '/'), undefined)
  assert.equal(find(routing, '/other'), undefined)
})

test('a host belongs to its service alone', () => {
  const routing = compile(
    service('billing', { at: undefined, host: 'billing.acme.example' }),
    service('root', { at: '/' }),
  )
  assert.equal(find(routing, '/anything', 'billing.acme.example'), 'billing')
  assert.equal(find(routing, '/anything', 'other.acme.example'), 'root')
  assert.equal(find(routing, '/anything', undefined), 'root')
})

test('a service without an upstream or a place is none of ours', () => {
  const routing = compile(
    service('inside', { upstream: undefined }),
    service('nowhere', { at: undefined, host: undefined }),
  )
  assert.deepEqual(routing.services, [])
})

test('two services at one place are refused', () => {
  assert.throws(() => compile(service('a', { at: '/x' }), service('b', { at: '/x/' })), {
    code: 'trust-unusable',
  })
  assert.throws(
    () => compile(service('a', { at: undefined, host: 'h' }), service('b', { at: undefined, host: 'h' })),
    { code: 'trust-unusable' },
  )
})

test('a route that asks for a token when no issuer is accepted is refused', () => {
  assert.throws(() => compile(service('billing', { acceptsOwn: false })), {
    code: 'trust-unusable',
    message: /services\.billing: .*no issuer/,
  })
  const open = service('billing', {
    acceptsOwn: false,
    routes: [{ method: 'GET', template: '/', requirement: 'open', line: 1 }],
  })
  assert.equal(compile(open).services[0]!.verifier, undefined)
})

test('services with the same upstream share its connections', () => {
  const routing = compile(service('a', { at: '/a' }), service('b', { at: '/b' }))
  assert.equal(routing.services[0]!.upstream, routing.services[1]!.upstream)
})

test('an at that is no path is refused', () => {
  assert.throws(() => compile(service('a', { at: '/a/../b' })), { code: 'trust-unusable' })
  assert.throws(() => compile(service('a', { at: '/a?b' })), { code: 'trust-unusable' })
})

function find(routing: Routing, target: string, host?: string): string | undefined {
  const path = canonicalPath(target)
  assert.ok(!('reason' in path))
  return routing.find(host, path)?.name
}

function service(name: string, changes: Partial<Service>): Service {
  return standService('http://127.0.0.1:1', { name, ...changes })
}

function compile(...services: readonly Service[]): Routing {
  const upstreams = new Upstreams(readLimits(), silentLog, () => ({ nowMs: 0, stop() {} }))
  const trust: Trust = {
    ...standTrust('http://127.0.0.1:1'),
    services: new Map(services.map((one) => [one.name, one])),
  }
  return compileRoutes(trust, {
    realm: 'acme',
    ownIssuer: { issuer: 'https://issuer.acme.example', keySet: createKeySet([]) },
    keySets: new KeySets(systemClock, silentLog),
    clock: systemClock,
    rememberedTokens: 1_000,
    poolFor: (one) => upstreams.poolFor(one),
  })
}
