import { stringify } from 'yaml'
import { forgedNames } from '../gateway/upstream/header-names.ts'
import type { Service, Trust } from '../trust/trust.ts'
import { endpointFor, exportedServices, pathOf, targetsOf, tokenHeaders } from './exported.ts'

/**
 * The trust file as dynamic configuration of Traefik 3: Traefik finds the service and forwards, the gateway decides about
 * each request (ForwardAuth). What belongs into the static configuration stands in the comment at its head.
 *
 * @param options.entryPoint the entry point of all routers
 * @param options.authz where the gateway is, seen from Traefik; the trust file's address unless given
 * @throws Problem `export-impossible`
 */
export function exportTraefik(
  trust: Trust,
  { entryPoint = 'web', authz }: { readonly entryPoint?: string; readonly authz?: string | undefined } = {},
): string {
  const { authority } = endpointFor(trust, 'traefik', 'Traefik', authz)
  const services = exportedServices(trust, 'Traefik', (service) => [
    [new Set(targetsOf(service).map(pathOf)).size > 1, 'upstream: targets with different paths'],
    [service.upstreamSettings?.balance === 'least-pending' && targetsOf(service).length > 1, leastPending],
  ])
  const transports = Object.fromEntries(services.flatMap(transportOf))
  const dynamic = {
    http: {
      routers: Object.fromEntries(services.flatMap((service) => routersOf(service, entryPoint))),
      middlewares: {
        countersign_unsaid: { headers: { customRequestHeaders: removed(unsaid) } },
        ...Object.assign({}, ...services.map((service) => middlewares(service, authority))),
      },
      services: Object.fromEntries(
        services.map((service) => [service.name, { loadBalancer: balancer(service) }]),
      ),
      ...(Object.keys(transports).length === 0 ? {} : { serversTransports: transports }),
    },
  }
  return head + stringify(dynamic, { lineWidth: 0, aliasDuplicateObjects: false })
}

const leastPending = 'upstream.balance: write round-robin, which is what it does'

const head = `# Made by \`countersign export traefik\`: change the trust file, and make it anew.
# The entry point needs, in the static configuration:
#   http: { underscoreHeadersStrategy: delete }
# since Countersign_Roles is another name for Traefik, and the same one for many a service.
`

/** `at` is taken off, as at the gateway: by whole segments, so it takes two routers. No service has `_` in its name. */
function routersOf(service: Service, entryPoint: string): [string, object][] {
  const { name, at = '/', host, token, bodyLimitBytes } = service
  const path = upstreamPath(service)
  const router = (rule: string, priority: number, paths: readonly string[]) => ({
    rule,
    // Written out, since Traefik would go by the length of the rule.
    priority,
    entryPoints: [entryPoint],
    middlewares: [
      'countersign_unsaid',
      `${name}_countersign`,
      ...(token === undefined || token === 'forward' ? [] : [`${name}_token`]),
      ...(bodyLimitBytes === undefined ? [] : [`${name}_body`]),
      ...paths,
    ],
    service: name,
  })
  const added = path === '' ? [] : [`${name}_add`]
  if (host !== undefined) return [[name, router(`Host(\`${host}\`)`, 10_000, added)]]
  if (at === '/') return [[name, router('PathPrefix(`/`)', 1, added)]]
  return [
    [name, router(`PathPrefix(\`${at}/\`)`, at.length, [`${name}_strip`, ...added])],
    [`${name}_root`, router(`Path(\`${at}\`)`, at.length, [`${name}_root`])],
  ]
}

function middlewares(service: Service, authority: string): Record<string, object> {
  const { name, at = '/', host, token, claimHeaders, bodyLimitBytes } = service
  const path = upstreamPath(service)
  const exchanged = typeof token === 'object'
  const filled = [...(claimHeaders?.keys() ?? []), ...(exchanged ? ['Authorization'] : [])]
  const hidden = tokenHeaders(service).filter((header) => !exchanged || header !== 'Authorization')
  const stripped = host === undefined && at !== '/'
  return {
    [`${name}_countersign`]: {
      forwardAuth: {
        address: `http://${authority}/authz`,
        trustForwardHeader: false,
        // Taken out where the answer has none of that name, whatever the client sent.
        authResponseHeadersRegex: '^Countersign-',
        ...(filled.length === 0 ? {} : { authResponseHeaders: filled }),
      },
    },
    ...(token === undefined || token === 'forward'
      ? {}
      : { [`${name}_token`]: { headers: { customRequestHeaders: removed(hidden) } } }),
    ...(bodyLimitBytes === undefined
      ? {}
      : { [`${name}_body`]: { buffering: { maxRequestBodyBytes: bodyLimitBytes } } }),
    ...(stripped ? { [`${name}_strip`]: { stripPrefix: { prefixes: [at] } } } : {}),
    ...(stripped ? { [`${name}_root`]: { replacePath: { path: `${path}/` } } } : {}),
    ...(path === '' ? {} : { [`${name}_add`]: { addPrefix: { prefix: path } } }),
  }
}

/** Without its slash at the end: what comes behind it begins with one. */
function upstreamPath(service: Service): string {
  return pathOf(targetsOf(service)[0]!).slice(0, -1)
}

function balancer(service: Service) {
  const { name, upstreamSettings } = service
  const targets = targetsOf(service)
  const scheme = upstreamSettings?.protocol === 'h2' && targets[0]!.startsWith('http:') ? 'h2c:' : undefined
  return {
    passHostHeader: false,
    servers: targets.map((url) => ({ url: `${scheme ?? new URL(url).protocol}//${new URL(url).host}` })),
    ...(transportOf(service).length === 0 ? {} : { serversTransport: name }),
  }
}

function transportOf({ name, upstreamSettings }: Service): [string, object][] {
  const { caFile, certificateFile, keyFile, serverName } = upstreamSettings?.tls ?? {}
  if (caFile === undefined && certificateFile === undefined && serverName === undefined) return []
  return [
    [
      name,
      {
        ...(serverName === undefined ? {} : { serverName }),
        ...(caFile === undefined ? {} : { rootCAs: [caFile] }),
        ...(certificateFile === undefined
          ? {}
          : { certificates: [{ certFile: certificateFile, keyFile: keyFile }] }),
      },
    ],
  ]
}

/** An empty value takes the header out. */
function removed(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, '']))
}

/** X-Real-Ip it writes itself. */
const unsaid = forgedNames.filter((name) => name !== 'x-real-ip')
