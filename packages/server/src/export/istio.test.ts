import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { poolOf, standService, standTrust } from '../../../../test/gateway/stand.ts'
import type { Service, Trust } from '../trust/trust.ts'
import { exportIstio } from './istio.ts'

// There is no Istio to try it in: what is written is compared with the fields of its API.

const inside = 'http://billing.shop.svc.cluster.local:8080/v2'

test('one policy for every request of the ingress gateway, which fails closed', () => {
  const [mesh, policy, filter] = documentsOf(standService(inside))
  assert.deepEqual(mesh.spec.meshConfig.extensionProviders, [
    {
      name: 'countersign',
      envoyExtAuthzGrpc: {
        service: 'countersign.auth.svc',
        port: 9003,
        timeout: '2s',
        failOpen: false,
        statusOnError: '503',
      },
    },
  ])
  assert.deepEqual([policy.apiVersion, policy.kind], ['security.istio.io/v1', 'AuthorizationPolicy'])
  const { selector, ...rest } = policy.spec
  assert.deepEqual(rest, { action: 'CUSTOM', provider: { name: 'countersign' }, rules: [{}] })
  assert.deepEqual(selector, { matchLabels: filter.spec.workloadSelector.labels })
  for (const { metadata } of [policy, filter]) assert.equal(metadata.namespace, 'istio-ingress')
})

test('routes by whole segments, the longest first; a host of its own for a service that has one', () => {
  const services = documentsOf(
    standService(inside),
    standService(inside, { name: 'inner', at: '/billing/inner' }),
    standService('https://b.example', { name: 'hosted', at: undefined, host: 'hosted.acme.example' }),
  ).slice(3)
  assert.deepEqual(
    services.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    ['VirtualService countersign', 'VirtualService countersign-hosted', 'DestinationRule countersign-hosted'],
  )
  const [shared, hosted, tls] = services
  assert.deepEqual(shared.spec.hosts, ['api.acme.example'])
  assert.deepEqual(shared.spec.gateways, ['istio-ingress/web'])
  const [inner, billing] = shared.spec.http
  assert.deepEqual(inner.match, [
    { uri: { exact: '/billing/inner' } },
    { uri: { prefix: '/billing/inner/' } },
  ])
  assert.deepEqual(billing.rewrite, { uri: '/v2/', authority: 'billing.shop.svc.cluster.local:8080' })
  assert.deepEqual(billing.route, [
    { destination: { host: 'billing.shop.svc.cluster.local', port: { number: 8080 } } },
  ])
  assert.deepEqual(hosted.spec.http[0].match, [{ uri: { prefix: '/' } }])
  assert.deepEqual(tls.spec.trafficPolicy.tls, {
    mode: 'SIMPLE',
    sni: 'b.example',
    subjectAltNames: ['b.example'],
  })
})

test('what it cannot be told is refused', () => {
  const tls = { caFile: '/ca.pem', certificateFile: undefined, keyFile: undefined, serverName: undefined }
  const given = poolOf(['http://10.0.0.1', 'http://10.0.0.2'], { tls, protocol: 'h2' })
  const service = standService('http://10.0.0.1', { ...given, bodyLimitBytes: 1 })
  assert.throws(
    () => documentsOf(service),
    ({ message }: Error) => {
      assert.deepEqual(message.match(/services\.billing\.[a-zA-Z.]+/g), [
        'services.billing.bodyLimit',
        'services.billing.upstream',
        'services.billing.upstream',
        'services.billing.upstream.protocol',
        'services.billing.upstream.tls',
      ])
      return true
    },
  )
})

/** Shapes of Istio’s own API. */
type Json = ReturnType<typeof JSON.parse>

function documentsOf(...services: Service[]): Json[] {
  const authz = [
    { proxy: 'envoyGrpc', listen: { host: '0.0.0.0', port: 9003 }, peers: ['10.0.0.0/8'] },
  ] as const
  const byName = new Map(services.map((service) => [service.name, service]))
  const trust: Trust = { ...standTrust('http://127.0.0.1:1', { authz }), services: byName }
  const options = {
    authz: 'countersign.auth.svc:9003',
    gateway: 'istio-ingress/web',
    host: 'api.acme.example',
  }
  return parseAllDocuments(exportIstio(trust, options)).map((one) => one.toJS() as Json)
}
