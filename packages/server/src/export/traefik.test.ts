import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { poolOf, standService, standTrust } from '../../../../test/gateway/stand.ts'
import type { Service, Trust } from '../trust/trust.ts'
import { exportTraefik } from './traefik.ts'

// What it does in the real Traefik stands in test/interop/exports.test.ts.

test('a host comes before every path, and a longer path before a shorter one', () => {
  const { routers } = httpOf(
    standService('http://127.0.0.1:1', { name: 'root', at: '/' }),
    standService('http://127.0.0.1:1'),
    standService('http://127.0.0.1:1', { name: 'hosted', at: undefined, host: 'a.example' }),
  )
  const byPriority = Object.keys(routers).sort(
    (one, other) => routers[other].priority - routers[one].priority,
  )
  assert.deepEqual(byPriority, ['hosted', 'billing', 'billing_root', 'root'])
  for (const { middlewares } of Object.values(routers) as { middlewares: string[] }[]) {
    assert.match(middlewares[1]!, /_countersign$/)
  }
})

test('an exchanged token is the answer’s, a limit and TLS as the file says', () => {
  const tls = { caFile: '/ca.pem', certificateFile: '/c.pem', keyFile: '/k.pem', serverName: 'b.internal' }
  const service = standService('https://b.example', {
    ...poolOf(['https://b.example'], { tls }),
    token: { client: 'edge', secret: undefined },
    tokenFrom: [{ kind: 'bearer' }, { kind: 'header', name: 'Token' }],
    bodyLimitBytes: 1024,
  })
  const http = httpOf(service)
  assert.deepEqual(http.middlewares.billing_countersign.forwardAuth.authResponseHeaders, ['Authorization'])
  assert.deepEqual(http.middlewares.billing_token.headers.customRequestHeaders, { DPoP: '', Token: '' })
  assert.deepEqual(http.middlewares.billing_body, { buffering: { maxRequestBodyBytes: 1024 } })
  assert.deepEqual(http.serversTransports.billing, {
    serverName: 'b.internal',
    rootCAs: ['/ca.pem'],
    certificates: [{ certFile: '/c.pem', keyFile: '/k.pem' }],
  })
  assert.equal(http.services.billing.loadBalancer.serversTransport, 'billing')
})

test('what it cannot be told is refused', () => {
  assert.throws(() => httpOf(standService('http://a/x', poolOf(['http://a/x', 'http://b/y']))), {
    code: 'export-impossible',
    message: /different paths\n.*upstream\.balance/,
  })
})

/** Shapes of Traefik’s own configuration. */
type Json = ReturnType<typeof JSON.parse>

function httpOf(...services: Service[]): Json {
  return parse(exportTraefik(trustOf(services))).http
}

function trustOf(services: readonly Service[]): Trust {
  const authz = [{ proxy: 'traefik', listen: { host: '127.0.0.1', port: 9004 }, peers: [] }] as const
  const byName = new Map(services.map((service) => [service.name, service]))
  return { ...standTrust('http://127.0.0.1:1', { authz }), services: byName }
}
