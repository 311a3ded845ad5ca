import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKeySet } from '@countersign/sdk/jwt'
import { silentLog } from '../../log.ts'
import { systemClock } from '@countersign/sdk/core'
import { canonicalPath } from '@countersign/sdk/policy'
import { decide, locate } from './decide.ts'
import type { Asked } from './decide.ts'
import { KeySets } from './key-sets.ts'
import { readLimits } from '../front/limits.ts'
import { compileRoutes } from './routes.ts'
import { standIssuer, standTrust } from '../../../../../test/gateway/stand.ts'
import { Upstreams } from '../upstream/upstreams.ts'

test('what is known of a request grows as far as it can be placed', () => {
  assert.deepEqual(place('GET', '/elsewhere'), { denial: 'service-unknown' })
  assert.deepEqual(place('GET', '/billing/nothing'), { denial: 'route-unknown', service: 'billing' })
  assert.deepEqual(place('POST', '/billing/invoices/7'), {
    denial: 'method-unknown',
    service: 'billing',
    allow: ['GET', 'HEAD'],
  })
  assert.deepEqual(place('GET', '/billing/invoices/7'), {
    service: 'billing',
    route: 'GET /invoices/{id}',
    params: { id: '7' },
  })
})

test('what is placed is decided by its route', () => {
  const asked = ask('/billing/invoices/7')
  assert.equal(locate(asked, routing, 'GET', undefined), undefined)
  const outcome = decide(asked, [], Date.now())
  assert.ok('result' in outcome && 'reason' in outcome.result)
  assert.equal(outcome.result.reason, 'token-missing')
})

function place(method: string, target: string): Record<string, unknown> {
  const asked = ask(target)
  const denial = locate(asked, routing, method, 'gateway.test')
  const known = {
    denial: denial?.reason,
    service: asked.service?.name,
    route: asked.route?.name,
    params: asked.params && { ...asked.params },
    allow: asked.allow,
  }
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined))
}

function ask(target: string): Asked {
  const path = canonicalPath(target)
  assert.ok('path' in path)
  return { path, service: undefined, route: undefined, params: undefined, allow: undefined, ruled: undefined }
}

const routing = compileRoutes(standTrust('http://127.0.0.1:1'), {
  realm: 'acme',
  ownIssuer: { issuer: standIssuer, keySet: createKeySet([]) },
  keySets: new KeySets(systemClock, silentLog),
  clock: systemClock,
  rememberedTokens: 1_000,
  poolFor: (one) => new Upstreams(readLimits(), silentLog, () => ({ nowMs: 0, stop() {} })).poolFor(one),
})
