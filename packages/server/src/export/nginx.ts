import { identityNames } from '../gateway/decision/identity.ts'
import { forgedNames } from '../gateway/upstream/header-names.ts'
import type { Service, Trust } from '../trust/trust.ts'
import { endpointFor, exportedServices, hostOf, pathOf, targetsOf } from './exported.ts'

/**
 * The trust file as configuration of nginx, to be included in `http { … }`: nginx finds the service and forwards, the
 * gateway decides about each request (`auth_request`). What nginx cannot be told is a Problem that names all of it, and
 * never left out in silence.
 *
 * @param listen what stands behind `listen` in its servers
 * @param authz where the gateway is, seen from nginx; the trust file's address unless given
 * @throws Problem `export-impossible`
 */
export function exportNginx(trust: Trust, listen: string, authz?: string): string {
  const { authority } = endpointFor(trust, 'nginx', 'nginx', authz)
  const services = exportedServices(trust, 'nginx', (service) => [
    [targetsOf(service).some((url) => !url.startsWith('http:')), 'upstream: TLS towards it'],
    [service.upstreamSettings?.protocol === 'h2', 'upstream: HTTP/2 towards it'],
    [new Set(targetsOf(service).map(pathOf)).size > 1, 'upstream: targets with different paths'],
  ])
  const shared = services.filter((service) => service.host === undefined)
  const own = services.filter((service) => service.host !== undefined)
  return [
    '# Made by `countersign export nginx`: change the trust file, and make it anew.',
    `upstream countersign_authz {\n    server ${authority};\n    keepalive 16;\n}`,
    ...services.map(upstreamBlock),
    ...(shared.length === 0 ? [] : [serverBlock(listen, '_', shared)]),
    ...own.map((service) => serverBlock(listen, service.host!, [service])),
    '',
  ].join('\n\n')
}

function upstreamBlock(service: Service): string {
  const servers = targetsOf(service).map((url) => `    server ${hostOf(url)};`)
  return `upstream countersign_${service.name} {\n${servers.join('\n')}\n}`
}

function serverBlock(listen: string, name: string, services: readonly Service[]): string {
  const blocks = [...services.flatMap(locationBlocks), inquiry, refused]
  if (!services.some(({ at, host }) => at === '/' || host !== undefined))
    blocks.push('location / {\n    return 404;\n}')
  return `server {\n    listen ${listen};\n    server_name ${name};\n\n${indented(blocks.join('\n\n'))}\n}`
}

/** `at` is taken off, as at the gateway: by whole segments, so it takes two locations. */
function locationBlocks(service: Service): string[] {
  const { at = '/' } = service
  const path = pathOf(targetsOf(service)[0]!)
  if (at === '/') return [location('/', service, path === '/' ? '' : path)]
  return [location(`= ${at}`, service, path), location(`${at}/`, service, path)]
}

function location(where: string, service: Service, path: string): string {
  const { name, token, tokenFrom, claimHeaders, bodyLimitBytes } = service
  const filled = [...identityNames, ...(claimHeaders?.keys() ?? [])]
  const lines = [
    'auth_request /_countersign;',
    'auth_request_set $countersign_status $upstream_http_countersign_status;',
  ]
  lines.push('auth_request_set $countersign_challenge $upstream_http_www_authenticate;')
  for (const header of filled)
    lines.push(`auth_request_set ${variable(header)} $upstream_http_${snake(header)};`)
  if (typeof token === 'object')
    lines.push('auth_request_set $countersign_exchanged $upstream_http_authorization;')
  lines.push('error_page 403 = @countersign_refused;')
  if (bodyLimitBytes !== undefined) lines.push(`client_max_body_size ${bodyLimitBytes};`)
  // An empty value takes the header out, whatever the client sent.
  for (const header of filled) lines.push(`proxy_set_header ${header} ${variable(header)};`)
  for (const header of forgedNames) lines.push(`proxy_set_header ${header} "";`)
  lines.push(`proxy_set_header Host ${new URL(targetsOf(service)[0]!).host};`)
  lines.push('proxy_set_header X-Forwarded-For $remote_addr;', 'proxy_set_header X-Forwarded-Proto $scheme;')
  lines.push('proxy_set_header X-Forwarded-Host $host;')
  if (token !== undefined && token !== 'forward') {
    for (const place of tokenFrom)
      if (place.kind === 'header') lines.push(`proxy_set_header ${place.name} "";`)
    lines.push('proxy_set_header DPoP "";')
    lines.push(
      `proxy_set_header Authorization ${typeof token === 'object' ? '$countersign_exchanged' : '""'};`,
    )
  }
  lines.push(`proxy_pass http://countersign_${name}${path};`)
  return `location ${where} {\n${indented(lines.join('\n'))}\n}`
}

const inquiry = `location = /_countersign {
    internal;
    proxy_pass http://countersign_authz/authz;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_pass_request_body off;
    proxy_set_header Content-Length "";
    proxy_set_header X-Original-Method $request_method;
    proxy_set_header X-Original-URI $request_uri;
    proxy_set_header X-Original-Host $host;
    proxy_set_header X-Original-Address $remote_addr;
}`

const refused = `location @countersign_refused {
${[400, 404, 405, 429].map((status) => `    if ($countersign_status = ${status}) { return ${status}; }`).join('\n')}
    add_header WWW-Authenticate $countersign_challenge always;
    return 403;
}`

function variable(header: string): string {
  const name = snake(header)
  return name.startsWith('countersign_') ? `$${name}` : `$countersign_claim_${name}`
}

function snake(header: string): string {
  return header.toLowerCase().replaceAll('-', '_')
}

function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '    ')
}
