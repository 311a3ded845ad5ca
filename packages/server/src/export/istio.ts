import { isIP } from 'node:net'
import { Problem } from '@countersign/sdk/core'
import { stringify } from 'yaml'
import { forgedNames } from '../gateway/upstream/header-names.ts'
import type { Service, Trust } from '../trust/trust.ts'
import { endpointFor, exportedServices, hostOf, pathOf, targetsOf } from './exported.ts'

export type IstioOptions = {
  /** The gateway's decision endpoint as a name of the cluster, `host:port`. */
  readonly authz: string | undefined
  /** `namespace/name` of the Istio Gateway the routes belong to. */
  readonly gateway: string | undefined
  /** The host name of services that have an `at`. */
  readonly host: string | undefined
}

/**
 * The trust file as resources of Istio, for its ingress gateway: routes, and an AuthorizationPolicy (CUSTOM) by which the
 * gateway decides about each request. RequestAuthentication and its kin are not used: a missing token is no refusal there,
 * nothing is ever revoked, and a bound token is taken for a bearer token.
 *
 * @throws Problem `export-impossible`, `usage`
 */
export function exportIstio(trust: Trust, options: IstioOptions): string {
  const authz = endpointFor(
    trust,
    'envoyGrpc',
    'Istio',
    needed(options.authz, 'authz', 'countersign.auth.svc:9003'),
  )
  const services = exportedServices(trust, 'Istio', refusalsOf)
  const gateway = needed(options.gateway, 'gateway', 'istio-ingress/web')
  const [namespace = '', name] = gateway.split('/')
  if (!/^[a-z0-9-]+\/[a-z0-9.-]+$/.test(gateway) || name === undefined) {
    throw new Problem('usage', '--gateway: expected namespace/name', {
      next: 'for example istio-ingress/web',
    })
  }
  const shared = services.filter(({ host }) => host === undefined)
  const own = services.filter(({ host }) => host !== undefined)
  const documents = [
    mesh(authz),
    policy(namespace),
    strictPaths(namespace),
    ...(shared.length === 0
      ? []
      : // Not `*`: a host that is written in another way must lead nowhere, and never to another service.
        [
          virtualService(
            'countersign',
            namespace,
            gateway,
            needed(options.host, 'host', 'api.acme.example'),
            shared,
          ),
        ]),
    ...own.map((service) =>
      virtualService(`countersign-${service.name}`, namespace, gateway, service.host!, [service]),
    ),
    ...services.flatMap((service) => destinationRule(service, namespace)),
  ]
  return (
    head +
    documents.map((one) => stringify(one, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n')
  )
}

const head = `# Made by \`countersign export istio\`: change the trust file, and make it anew.
# The first document belongs into the mesh's own configuration (istioctl install -f, or meshConfig of the Helm chart).
# gateway.authz.envoyGrpc.peers has to hold the addresses of the ingress gateway's pods.
`

function refusalsOf(service: Service): readonly (readonly [boolean, string])[] {
  const { bodyLimitBytes, upstreamSettings } = service
  const targets = targetsOf(service)
  const { hostname } = new URL(targets[0]!)
  const { caFile, certificateFile } = upstreamSettings?.tls ?? {}
  return [
    [bodyLimitBytes !== undefined, 'bodyLimit: routes have none'],
    [targets.length > 1, 'upstream: several targets, where a Service has its pods'],
    [
      isIP(hostname.replace(/^\[|\]$/g, '')) !== 0 || hostname === 'localhost',
      'upstream: an address, where a name of the cluster is needed',
    ],
    [upstreamSettings?.protocol === 'h2', 'upstream.protocol: the name of the Service’s port says it'],
    [caFile !== undefined || certificateFile !== undefined, 'upstream.tls: files of this machine'],
  ]
}

function mesh({ host, port }: { readonly host: string; readonly port: number }) {
  return {
    apiVersion: 'install.istio.io/v1alpha1',
    kind: 'IstioOperator',
    spec: {
      meshConfig: {
        pathNormalization: { normalization: 'MERGE_SLASHES' },
        extensionProviders: [
          {
            name: 'countersign',
            envoyExtAuthzGrpc: { service: host, port, timeout: '2s', failOpen: false, statusOnError: '503' },
          },
        ],
      },
    },
  }
}

function policy(namespace: string) {
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'countersign', namespace },
    // One empty rule means every request.
    spec: { selector: ingress, action: 'CUSTOM', provider: { name: 'countersign' }, rules: [{}] },
  }
}

/** What the mesh's own settings cannot say: two spellings of a slash, and of a header's name. */
function strictPaths(namespace: string) {
  return {
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: { name: 'countersign', namespace },
    spec: {
      workloadSelector: { labels: ingress.matchLabels },
      configPatches: [
        {
          applyTo: 'NETWORK_FILTER',
          match: {
            context: 'GATEWAY',
            listener: { filterChain: { filter: { name: 'envoy.filters.network.http_connection_manager' } } },
          },
          patch: {
            operation: 'MERGE',
            value: {
              typed_config: {
                '@type':
                  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
                path_with_escaped_slashes_action: 'REJECT_REQUEST',
                common_http_protocol_options: { headers_with_underscores_action: 'DROP_HEADER' },
              },
            },
          },
        },
      ],
    },
  }
}

function virtualService(
  name: string,
  namespace: string,
  gateway: string,
  host: string,
  services: readonly Service[],
) {
  const sorted = [...services].sort((one, other) => (other.at ?? '').length - (one.at ?? '').length)
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name, namespace },
    spec: { hosts: [host], gateways: [gateway], http: sorted.flatMap(routesOf) },
  }
}

/** `at` is taken off, as at the gateway: by whole segments, so it takes two matches. */
function routesOf(service: Service) {
  const { name, at = '/' } = service
  const [target] = targetsOf(service)
  const { host, hostname } = new URL(target!)
  const port = Number(hostOf(target!).split(':').at(-1))
  return {
    name,
    match: at === '/' ? [{ uri: { prefix: '/' } }] : [{ uri: { exact: at } }, { uri: { prefix: `${at}/` } }],
    rewrite: { uri: pathOf(target!), authority: host },
    headers: { request: { remove: forgedNames } },
    timeout: '0s',
    retries: { attempts: 0 },
    route: [{ destination: { host: hostname, port: { number: port } } }],
  }
}

function destinationRule(service: Service, namespace: string): object[] {
  const [target] = targetsOf(service)
  const { hostname, protocol } = new URL(target!)
  if (protocol === 'http:') return []
  const sni = service.upstreamSettings?.tls?.serverName ?? hostname
  return [
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'DestinationRule',
      metadata: { name: `countersign-${service.name}`, namespace },
      spec: { host: hostname, trafficPolicy: { tls: { mode: 'SIMPLE', sni, subjectAltNames: [sni] } } },
    },
  ]
}

function needed(given: string | undefined, option: string, example: string): string {
  if (given !== undefined) return given
  throw new Problem('usage', `Istio needs --${option}`, { next: `for example --${option} ${example}` })
}

const ingress = { matchLabels: { istio: 'ingressgateway' } }
