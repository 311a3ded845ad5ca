import { forgedNames } from '../gateway/upstream/header-names.ts'
import type { Service, Trust } from '../trust/trust.ts'
import { endpointFor, exportedServices, hostOf, pathOf, targetsOf, tokenHeaders } from './exported.ts'
import { haproxyLua } from './haproxy-lua.ts'

export type HaproxyFiles = {
  /** haproxy.cfg */
  readonly config: string
  /** countersign.lua, which the configuration loads. */
  readonly lua: string
}

/**
 * The trust file as configuration of HAProxy 2.6 and newer. Its own `jwt_verify` is not used: keys are known at start only,
 * nothing is ever revoked, and lists in a token come back as text. Instead a Lua action asks the gateway, which also says
 * to whom the request goes and for which path: HAProxy has no rule of its own that could read a path otherwise.
 *
 * @param options.listen what stands behind `bind`
 * @param options.authz where the gateway is, seen from HAProxy; the trust file's address unless given
 * @throws Problem `export-impossible`
 */
export function exportHaproxy(
  trust: Trust,
  { listen = ':80', authz }: { readonly listen?: string; readonly authz?: string | undefined } = {},
): HaproxyFiles {
  const { authority } = endpointFor(trust, 'haproxy', 'HAProxy', authz)
  const services = exportedServices(trust, 'HAProxy', (service) => {
    const { bodyLimitBytes, upstreamSettings } = service
    const paths = new Set(targetsOf(service).map(pathOf))
    return [
      [bodyLimitBytes !== undefined, 'bodyLimit: it counts only what a client announces'],
      [upstreamSettings?.protocol === 'h2', 'upstream: HTTP/2 towards it'],
      [
        upstreamSettings?.tls?.certificateFile !== undefined,
        'upstream.tls: certificate and key in two files',
      ],
      [paths.size > 1, 'upstream: targets with different paths'],
    ]
  })
  const claimHeaders = new Set(services.flatMap(({ claimHeaders: filled }) => [...(filled?.keys() ?? [])]))
  const exchanges = services.some(({ token }) => typeof token === 'object')
  return {
    config: [
      '# Made by `countersign export haproxy`: change the trust file, and make it anew.',
      globals,
      frontend(listen, [...claimHeaders]),
      ...services.map(backend),
      '',
    ].join('\n\n'),
    lua: haproxyLua(authority, [...claimHeaders, ...(exchanges ? ['Authorization'] : [])]),
  }
}

const globals = `global
    lua-load-per-thread countersign.lua

defaults
    mode http
    timeout http-request 15s
    timeout client 65s
    timeout connect 5s
    timeout server 60s
    # Countersign_Roles is another name for HAProxy, and the same one for many a service.
    option http-restrict-req-hdr-names delete`

function frontend(listen: string, claimHeaders: readonly string[]): string {
  const removed = [...forgedNames, ...claimHeaders]
  return `frontend countersign
    bind ${listen}
    # Who it is, and what it came by, only we say.
${['countersign', 'x-forwarded-', 'x-original-', 'x-envoy-'].map((start) => `    http-request del-header ${start} -m beg`).join('\n')}
${removed.map((name) => `    http-request del-header ${name}`).join('\n')}
    http-request del-header Upgrade
    http-request lua.countersign
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
    http-request set-header X-Forwarded-Host %[req.fhdr(host)]
    http-request set-uri %[var(txn.countersign_target)]
    http-response set-header DPoP-Nonce %[var(txn.countersign_nonce)] if { var(txn.countersign_nonce) -m found }
    # Nobody else: without a decision there is no name, and the answer is 503.
    use_backend countersign_%[var(txn.countersign_service)] if { var(txn.countersign_service) -m found }`
}

function backend(service: Service): string {
  const { name, token, upstreamSettings } = service
  const targets = targetsOf(service)
  const path = pathOf(targets[0]!).slice(0, -1)
  const hidden = token === undefined || token === 'forward' ? [] : tokenHeaders(service)
  // What came in exchange stands there already.
  const removed = typeof token === 'object' ? hidden.filter((header) => header !== 'Authorization') : hidden
  return [
    `backend countersign_${name}`,
    `    balance ${upstreamSettings?.balance === 'round-robin' ? 'roundrobin' : 'leastconn'}`,
    ...(path === '' ? [] : [`    http-request set-path ${path}%[path]`]),
    `    http-request set-header Host ${new URL(targets[0]!).host}`,
    ...removed.map((header) => `    http-request del-header ${header}`),
    ...targets.map((url, index) => `    server ${name}-${index + 1} ${hostOf(url)}${tlsOf(url, service)}`),
  ].join('\n')
}

function tlsOf(url: string, { upstreamSettings }: Service): string {
  if (!url.startsWith('https:')) return ''
  const { caFile, serverName = new URL(url).hostname } = upstreamSettings?.tls ?? {}
  return ` ssl verify required ca-file ${caFile ?? '@system-ca'} sni str(${serverName}) verifyhost ${serverName}`
}
