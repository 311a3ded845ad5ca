import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { poolOf, standService, standTrust } from '../../../../test/gateway/stand.ts'
import type { Service, Trust } from '../trust/trust.ts'
import { exportEnvoy } from './envoy.ts'

// What it does in the real Envoy stands in test/interop/exports.test.ts.

test('TLS and HTTP/2 towards a service, with its certificate verified by its name', () => {
  const tls = { caFile: '/ca.pem', certificateFile: '/c.pem', keyFile: '/k.pem', serverName: 'b.internal' }
  const given = poolOf(['https://b.example', 'https://c.example'], { tls, protocol: 'h2' })
  const { clusters } = resourcesOf(standService('https://b.example', given))
  const [authz, cluster] = clusters
  assert.equal(authz.name, 'countersign')
  assert.ok('http2_protocol_options' in protocolOf(authz))
  assert.ok('http2_protocol_options' in protocolOf(cluster))
  assert.equal(cluster.type, 'STRICT_DNS')
  const { sni, common_tls_context: context } = cluster.transport_socket.typed_config
  assert.equal(sni, 'b.internal')
  assert.deepEqual(context.validation_context, {
    trusted_ca: { filename: '/ca.pem' },
    match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'b.internal' } }],
  })
  assert.deepEqual(context.alpn_protocols, ['h2'])
  assert.equal(context.tls_certificates[0].private_key.filename, '/k.pem')
})

test('the longest prefix comes first, by whole segments, and nobody passes without a decision', () => {
  const { listeners } = resourcesOf(
    standService('http://127.0.0.1:1/v2', { bodyLimitBytes: 1024 }),
    standService('http://127.0.0.1:1', { name: 'inner', at: '/billing/inner' }),
  )
  const settings = listeners[0].filter_chains[0].filters[0].typed_config
  const { routes } = settings.route_config.virtual_hosts[0]
  assert.deepEqual(
    routes.map(({ match }: { match: { path?: string; prefix?: string } }) => match.path ?? match.prefix),
    ['/billing/inner', '/billing/inner/', '/billing', '/billing/'],
  )
  assert.equal(routes[2].route.prefix_rewrite, '/v2/')
  assert.equal(routes[2].typed_per_filter_config['envoy.filters.http.buffer'].buffer.max_request_bytes, 1024)
  const [ask, buffer] = settings.http_filters
  assert.equal(ask.typed_config.failure_mode_allow, false)
  assert.equal(buffer.disabled, true)
})

test('targets of two kinds are refused', () => {
  const given = poolOf(['https://b.example/x', 'http://c.example/y'])
  assert.throws(() => resourcesOf(standService('https://b.example/x', given)), {
    code: 'export-impossible',
    message: /different paths\n.*with TLS and without/,
  })
})

/** Shapes of Envoy’s own API. */
type Json = ReturnType<typeof JSON.parse>

function resourcesOf(...services: Service[]): Json {
  return parse(exportEnvoy(trustOf(services))).static_resources
}

function protocolOf(cluster: Json): object {
  return cluster.typed_extension_protocol_options['envoy.extensions.upstreams.http.v3.HttpProtocolOptions']
    .explicit_http_config
}

function trustOf(services: readonly Service[]): Trust {
  const authz = [{ proxy: 'envoyGrpc', listen: { host: '127.0.0.1', port: 9003 }, peers: [] }] as const
  const byName = new Map(services.map((service) => [service.name, service]))
  return { ...standTrust('http://127.0.0.1:1', { authz }), services: byName }
}
