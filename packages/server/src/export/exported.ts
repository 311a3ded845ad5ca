import { Problem } from '@countersign/sdk/core'
import type { AuthzProxy, Service, Trust } from '../trust/trust.ts'

/** What a proxy cannot be told: whether it is so, and what it is. */
export type Refusal = readonly [is: boolean, what: string]

/**
 * The services that a proxy is to forward to.
 *
 * @param refusalsOf what this kind of proxy cannot be told of a service; none of it is left out in silence
 * @throws Problem `export-impossible`, which names all of it
 */
export function exportedServices(
  trust: Trust,
  proxy: string,
  refusalsOf: (service: Service) => readonly Refusal[],
): readonly Service[] {
  const services = [...trust.services.values()].filter(({ upstream }) => upstream !== undefined)
  const found = services.flatMap((service) =>
    [...refusalsOfAll(service, proxy), ...refusalsOf(service)].flatMap(([is, what]) =>
      is ? [`services.${service.name}.${what}`] : [],
    ),
  )
  if (found.length === 0) return services
  throw new Problem('export-impossible', `${proxy} cannot be told:\n  ${found.join('\n  ')}`, {
    next: 'leave these services behind the gateway itself, or take the settings out',
  })
}

/** What only the gateway does, whichever proxy stands in its place. */
function refusalsOfAll(
  { cors, websocket, token, tokenFrom, bind }: Service,
  proxy: string,
): readonly Refusal[] {
  const hides = token !== undefined && token !== 'forward'
  return [
    [cors !== undefined, 'cors: preflights are answered by the gateway alone'],
    [websocket !== undefined, 'websocket: tunnels that end with their token are the gateway’s own'],
    [bind === 'certificate', 'bind: whoever asks does not show us the client’s certificate'],
    [
      hides && tokenFrom.some(({ kind }) => kind === 'cookie'),
      `token: ${proxy} cannot take one cookie out of several`,
    ],
  ]
}

/**
 * Where a proxy asks for decisions: `host:port`.
 *
 * @param kind in whose words it asks
 * @param given where the gateway is, seen from the proxy; the trust file's address unless given
 * @throws Problem `export-impossible` when nobody is there to be asked
 */
export function endpointFor(
  trust: Trust,
  kind: AuthzProxy,
  proxy: string,
  given: string | undefined,
): { readonly host: string; readonly port: number; readonly authority: string } {
  const endpoint = trust.gateway?.authz?.find((one) => one.proxy === kind)
  if (endpoint === undefined) {
    throw new Problem('export-impossible', `gateway.authz: ${proxy} has nobody to ask`, {
      next: `write \`authz: { ${kind}: { listen: 127.0.0.1:9002 } }\` in gateway`,
    })
  }
  const { host, port } = given === undefined ? endpoint.listen : readAuthority(given)
  if (given === undefined && (host === '0.0.0.0' || host === '::')) {
    throw new Problem(
      'export-impossible',
      `gateway.authz.${kind}.listen: ${host} does not say where the gateway is`,
      {
        next: 'say it with --authz, such as --authz gateway.internal:9002',
      },
    )
  }
  return { host, port, authority: `${host.includes(':') ? `[${host}]` : host}:${port}` }
}

function readAuthority(given: string, option = '--authz'): { host: string; port: number } {
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})$/.exec(given) ?? []
  if (host === undefined || Number(port) < 1 || Number(port) > 65535) {
    throw new Problem('usage', `${option}: expected host:port`, {
      next: `for example ${option} 10.0.0.5:9002`,
    })
  }
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}

/** What `--listen` says, a port or an address and a port, where a proxy wants both. */
export function listenPlace(listen: string): { readonly host: string; readonly port: number } {
  const { host, port } = readAuthority(/^[0-9]+$/.test(listen) ? `0.0.0.0:${listen}` : listen, '--listen')
  return { host, port }
}

/** A service's targets, at least one. */
export function targetsOf({ upstream, upstreamSettings }: Service): readonly string[] {
  return upstreamSettings?.targets ?? [upstream!]
}

/** Host and port of a target; the port is always there. */
export function hostOf(url: string): string {
  const { host, port, protocol } = new URL(url)
  return port === '' ? `${host}:${protocol === 'https:' ? 443 : 80}` : host
}

/** With its slash at the end, so that what follows is put behind it. */
export function pathOf(url: string): string {
  const { pathname } = new URL(url)
  return pathname.endsWith('/') ? pathname : `${pathname}/`
}

/** Headers that hold a token, and must not reach a service that is to see none. */
export function tokenHeaders({ tokenFrom }: Service): readonly string[] {
  return [
    'Authorization',
    'DPoP',
    ...tokenFrom.flatMap((place) => (place.kind === 'header' ? place.name : [])),
  ]
}
