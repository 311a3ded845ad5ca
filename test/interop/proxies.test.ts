/** The configurations of docs/proxies.md, in the real Caddy, Traefik and Envoy. nginx has a test of its own. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { pageBlock, proxyContract } from './proxy-contract.ts'
import type { ProxyPorts } from './proxy-contract.ts'
import { prepareProxies, startProxy } from './real-proxy.ts'
import type { RunningProxy } from './real-proxy.ts'

const { missing, folder } = prepareProxies()
/** Proxy, gateway and service share one machine here, which may pause for longer than an answer may take elsewhere. */
const patience = '60s'

proxyContract('Caddy', {
  kind: 'caddy',
  missing,
  withoutKeys: 503,
  alone: 502,
  start: ({ upstream, authz }) =>
    startProxy(join(folder, 'bin/caddy'), (port, own) => {
      const site = pageBlock('caddyfile', 'http://', { 9080: port, 9005: authz, 9101: upstream })
      const file = join(own, 'Caddyfile')
      writeFileSync(file, `{\n    admin off\n    default_bind 127.0.0.1\n}\n${site}`)
      return ['run', '--config', file, '--adapter', 'caddyfile']
    }),
})

proxyContract('Traefik', {
  kind: 'traefik',
  missing,
  withoutKeys: 503,
  alone: 500,
  start: ({ upstream, authz }) =>
    startProxy(join(folder, 'bin/traefik'), (port, own) => {
      const file = join(own, 'dynamic.yaml')
      writeFileSync(file, pageBlock('yaml', 'http:\n  routers:', { 9004: authz, 9101: upstream }))
      return [
        `--entryPoints.web.address=127.0.0.1:${port}`,
        '--entryPoints.web.http.underscoreHeadersStrategy=delete',
        `--providers.file.filename=${file}`,
        '--global.checkNewVersion=false',
        '--global.sendAnonymousUsage=false',
      ]
    }),
})

proxyContract('Envoy over gRPC', {
  kind: 'envoyGrpc',
  missing,
  withoutKeys: 503,
  alone: 403,
  start: ({ upstream, authz }) => {
    const listener = parse(listenerBlock())
    listener.typed_config.http_filters[0].typed_config.grpc_service.timeout = patience
    const countersign = parse(pageBlock('yaml', 'name: countersign', { 9003: authz }))
    return startEnvoy(listener, countersign, upstream)
  },
})

proxyContract('Envoy over HTTP', {
  kind: 'envoy',
  missing,
  withoutKeys: 403,
  alone: 403,
  start: ({ upstream, authz }) => {
    const listener = parse(listenerBlock())
    listener.typed_config.http_filters[0] = parse(
      pageBlock('yaml', 'name: envoy.filters.http.ext_authz', { 9006: authz }),
    )
    listener.typed_config.http_filters[0].typed_config.http_service.server_uri.timeout = patience
    return startEnvoy(listener, cluster('countersign', authz), upstream)
  },
})

function listenerBlock(): string {
  return pageBlock('yaml', 'name: envoy.filters.network.http_connection_manager', {})
}

function startEnvoy(
  filter: unknown,
  countersign: unknown,
  upstream: ProxyPorts['upstream'],
): Promise<RunningProxy> {
  return startProxy(join(folder, 'envoy/_bin/envoy'), (port, own) => {
    const file = join(own, 'envoy.json')
    const bootstrap = {
      static_resources: {
        listeners: [{ name: 'web', address: address(port), filter_chains: [{ filters: [filter] }] }],
        clusters: [countersign, cluster('billing', upstream)],
      },
    }
    writeFileSync(file, JSON.stringify(bootstrap))
    return ['--config-path', file, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'warning']
  })
}

function cluster(name: string, port: number): unknown {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }]
  return { name, load_assignment: { cluster_name: name, endpoints } }
}

function address(port: number): unknown {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}
