import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { openAuthzStand } from '../../../../../test/gateway/authz-stand.ts'
import { ask, bearer, get, okReply, openStand, openUpstream } from '../../../../../test/gateway/stand.ts'
import { identityNames } from '../decision/identity.ts'
import { createMetrics } from '../../metrics/registry.ts'

test('property: the endpoint says what the gateway says, for any target and method', async (t) => {
  const upstream = await openUpstream((socket) => socket.write(okReply('ok')))
  const asked = await openAuthzStand('traefik')
  const gateway = await openStand(upstream.url)
  t.after(async () => {
    await asked.close()
    await gateway.close()
    await upstream.close()
  })
  const path = fc.constantFrom(
    'health',
    'invoices/7',
    'files/a/b',
    'echo',
    'open',
    'invoices',
    '%69nvoices/7',
  )
  const trick = fc.constantFrom('', '', '', '/', '/..', '/%2e', '%2F', ';x', '%00', '/a%20b', '#', '?x=//..')
  const target = fc.tuple(path, trick).map((parts) => `/billing/${parts.join('')}`)
  const method = fc.constantFrom('GET', 'GET', 'GET', 'GET', 'POST', 'PUT', 'OPTIONS', 'DELETE')
  const role = fc.constantFrom('reader', 'reader', 'admin', 'other')
  let allowed = 0
  await fc.assert(
    fc.asyncProperty(target, method, role, async (target, method, role) => {
      const reader = (stand: typeof gateway): string =>
        bearer(stand.token({ roles: [role], scope: 'invoices:write' }))
      const direct = await ask(gateway.port, get(target, reader(gateway)).replace('GET', method))
      const inquiry = get(
        '/authz',
        `X-Forwarded-Method: ${method}`,
        `X-Forwarded-Uri: ${target}`,
        'X-Forwarded-Host: gateway.test',
        reader(asked),
      )
      const { status, headers } = await ask(asked.authzPort, inquiry)
      if (status === 200) allowed++
      assert.equal(status, direct.status)
      assert.equal(headers['www-authenticate'], direct.headers['www-authenticate'])
      assert.equal(headers['allow'], direct.headers['allow'])
    }),
    { numRuns: 300 },
  )
  assert.ok(allowed > 5, `only ${allowed} were allowed: the property says little`)
})

test('decisions are counted as the requests at the gateway are', async (t) => {
  const metrics = createMetrics()
  const asked = await openAuthzStand('traefik', { gateway: { metrics } })
  t.after(() => asked.close())
  const about = (path: string, ...more: string[]): string =>
    get(
      '/authz',
      'X-Forwarded-Method: GET',
      `X-Forwarded-Uri: ${path}`,
      'X-Forwarded-Host: gateway.test',
      ...more,
    )
  await ask(asked.authzPort, about('/billing/invoices/7', bearer(asked.token())))
  await ask(asked.authzPort, about('/billing/invoices/7'))
  await ask(asked.authzPort, about('/billing/made-up'))
  const lines = metrics
    .text()
    .split('\n')
    .filter((line) => line.startsWith('countersign_gateway_decisions_total{'))
  assert.deepEqual(lines, [
    'countersign_gateway_decisions_total{service="billing",route="GET /invoices/{id}",status="2xx",reason="allowed"} 1',
    'countersign_gateway_decisions_total{service="billing",route="GET /invoices/{id}",status="4xx",reason="token-missing"} 1',
    'countersign_gateway_decisions_total{service="billing",route="none",status="4xx",reason="route-unknown"} 1',
  ])
})

test('identity headers are named once, and all of them', async (t) => {
  const asked = await openAuthzStand('traefik')
  t.after(() => asked.close())
  const token = asked.token({ scope: 'invoices:write', act: { sub: 'billing' } })
  const { headers } = await ask(
    asked.authzPort,
    get(
      '/authz',
      'X-Forwarded-Method: GET',
      'X-Forwarded-Uri: /billing/invoices/7',
      'X-Forwarded-Host: gateway.test',
      bearer(token),
    ),
  )
  assert.deepEqual(
    Object.keys(headers)
      .filter((name) => name.startsWith('countersign-'))
      .sort(),
    [...identityNames].sort(),
  )
})
