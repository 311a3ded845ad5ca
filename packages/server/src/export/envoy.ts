import { isIP } from 'node:net'
import { stringify } from 'yaml'
import { forgedNames } from '../gateway/upstream/header-names.ts'
import type { Service, Trust } from '../trust/trust.ts'
import { endpointFor, exportedServices, hostOf, listenPlace, pathOf, targetsOf } from './exported.ts'

/**
 * The trust file as a bootstrap of Envoy: Envoy finds the service and forwards, the gateway decides about each request
 * (`ext_authz` over gRPC). Envoy's own `jwt_authn` and `rbac` are not used: they know no revocation, no bound tokens and
 * no `typ`, and answer 403 where a token is for somebody else.
 *
 * @param options.listen a port, or address and port
 * @param options.authz where the gateway is, seen from Envoy; the trust file's address unless given
 * @throws Problem `export-impossible`
 */
export function exportEnvoy(
  trust: Trust,
  { listen = '80', authz }: { readonly listen?: string; readonly authz?: string | undefined } = {},
): string {
  const endpoint = endpointFor(trust, 'envoyGrpc', 'Envoy', authz)
  const services = exportedServices(trust, 'Envoy', (service) => [
    [new Set(targetsOf(service).map(pathOf)).size > 1, 'upstream: targets with different paths'],
    [
      new Set(targetsOf(service).map((url) => new URL(url).protocol)).size > 1,
      'upstream: targets with TLS and without',
    ],
  ])
  const bootstrap = {
    static_resources: {
      listeners: [
        {
          name: 'countersign',
          address: address(listenPlace(listen)),
          filter_chains: [{ filters: [httpConnections(services)] }],
        },
      ],
      clusters: [
        { ...cluster('countersign', [endpoint.authority]), ...http2 },
        ...services.map((service) => serviceCluster(service)),
      ],
    },
  }
  const head = '# Made by `countersign export envoy`: change the trust file, and make it anew.\n'
  return head + stringify(bootstrap, { lineWidth: 0, aliasDuplicateObjects: false })
}

function httpConnections(services: readonly Service[]) {
  const shared = services.filter(({ host }) => host === undefined)
  const own = services.filter(({ host }) => host !== undefined)
  const limited = services.some(({ bodyLimitBytes }) => bodyLimitBytes !== undefined)
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${types}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'countersign',
      use_remote_address: true,
      // So that Envoy routes by the path that was decided about.
      normalize_path: true,
      merge_slashes: true,
      path_with_escaped_slashes_action: 'REJECT_REQUEST',
      common_http_protocol_options: { headers_with_underscores_action: 'DROP_HEADER' },
      route_config: {
        request_headers_to_remove: forgedNames,
        request_headers_to_add: [
          overwrite('x-forwarded-for', '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%'),
          overwrite('x-forwarded-host', '%REQ(:AUTHORITY)%'),
        ],
        virtual_hosts: [
          // The gateway takes a dot at the end for nothing, so it leads to the same place here.
          ...own.map((service) => ({
            name: `countersign_${service.name}`,
            domains: [`${service.host}`, `${service.host}:*`, `${service.host}.`, `${service.host}.:*`],
            routes: routesOf(service),
          })),
          { name: 'countersign', domains: ['*'], routes: longestFirst(shared).flatMap(routesOf) },
        ],
      },
      http_filters: [
        {
          name: 'envoy.filters.http.ext_authz',
          typed_config: {
            '@type': `${types}.filters.http.ext_authz.v3.ExtAuthz`,
            transport_api_version: 'V3',
            encode_raw_headers: true,
            failure_mode_allow: false,
            status_on_error: { code: 'ServiceUnavailable' },
            grpc_service: { envoy_grpc: { cluster_name: 'countersign' }, timeout: '2s' },
          },
        },
        ...(limited ? [bodyFilter] : []),
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': `${types}.filters.http.router.v3.Router` },
        },
      ],
    },
  }
}

/** Off, except where a route has a limit of its own. */
const bodyFilter = {
  name: 'envoy.filters.http.buffer',
  disabled: true,
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer',
    max_request_bytes: 1,
  },
}

/** `at` is taken off, as at the gateway: by whole segments, so it takes two routes. */
function routesOf(service: Service) {
  const { name, at = '/', bodyLimitBytes } = service
  const [first] = targetsOf(service)
  const own = {
    route: {
      cluster: `countersign_${name}`,
      prefix_rewrite: pathOf(first!),
      host_rewrite_literal: new URL(first!).host,
      // Else a reply that takes longer than 15 s in all would be cut off.
      timeout: '0s',
      idle_timeout: '60s',
    },
    ...(bodyLimitBytes === undefined
      ? {}
      : { typed_per_filter_config: { [bodyFilter.name]: limit(bodyLimitBytes) } }),
  }
  if (at === '/') return [{ match: { prefix: '/' }, ...own }]
  return [
    { match: { path: at }, ...own },
    { match: { prefix: `${at}/` }, ...own },
  ]
}

function limit(bytes: number) {
  return {
    '@type': `${types}.filters.http.buffer.v3.BufferPerRoute`,
    buffer: { max_request_bytes: bytes },
  }
}

function serviceCluster(service: Service) {
  const { name, upstreamSettings } = service
  const targets = targetsOf(service)
  const balance = upstreamSettings?.balance === 'round-robin' ? 'ROUND_ROBIN' : 'LEAST_REQUEST'
  return {
    ...cluster(`countersign_${name}`, targets.map(hostOf)),
    lb_policy: balance,
    ...(upstreamSettings?.protocol === 'h2' ? http2 : {}),
    ...(targets[0]!.startsWith('https:') ? { transport_socket: tlsOf(service, targets[0]!) } : {}),
  }
}

function cluster(name: string, authorities: readonly string[]) {
  const places = authorities.map((authority) => placeOf(authority))
  return {
    name,
    type: places.every((place) => isIP(place.host) !== 0) ? 'STATIC' : 'STRICT_DNS',
    connect_timeout: '5s',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: places.map((place) => ({ endpoint: { address: address(place) } })) }],
    },
  }
}

function tlsOf({ upstreamSettings }: Service, url: string) {
  const { caFile, certificateFile, keyFile, serverName = new URL(url).hostname } = upstreamSettings?.tls ?? {}
  const kind = isIP(serverName) === 0 ? 'DNS' : 'IP_ADDRESS'
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${types}.transport_sockets.tls.v3.UpstreamTlsContext`,
      sni: serverName,
      common_tls_context: {
        ...(upstreamSettings?.protocol === 'h2' ? { alpn_protocols: ['h2'] } : {}),
        ...(certificateFile === undefined
          ? {}
          : {
              tls_certificates: [
                { certificate_chain: { filename: certificateFile }, private_key: { filename: keyFile } },
              ],
            }),
        validation_context: {
          trusted_ca: { filename: caFile ?? '/etc/ssl/certs/ca-certificates.crt' },
          match_typed_subject_alt_names: [{ san_type: kind, matcher: { exact: serverName } }],
        },
      },
    },
  }
}

function placeOf(authority: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(`tcp://${authority}`)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) }
}

function longestFirst(services: readonly Service[]): readonly Service[] {
  return [...services].sort((one, other) => (other.at ?? '').length - (one.at ?? '').length)
}

function address({ host, port }: { readonly host: string; readonly port: number }) {
  return { socket_address: { address: host, port_value: port } }
}

function overwrite(key: string, value: string) {
  return { header: { key, value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }
}

const types = 'type.googleapis.com/envoy.extensions'

const http2 = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
}
