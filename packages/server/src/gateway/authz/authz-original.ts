import { deny } from '@countersign/sdk/core'
import type { Denial } from '@countersign/sdk/core'
import { readHost } from '../front/host.ts'
import type { Host } from '../front/host.ts'
import type { AuthzProxy } from '../../trust/trust.ts'

/** The request that a proxy has been asked for, and asks about. */
export type Original = {
  readonly method: string
  /** In origin-form, exactly as the proxy received it. */
  readonly target: string
  readonly host: Host
  /** Names and values in turns. */
  readonly rawHeaders: readonly string[]
  /** The client's address as the proxy saw it. */
  readonly address: string
}

/** What arrived at a decision endpoint. */
export type Inquiry = {
  readonly method: string
  readonly target: string
  readonly host: Host | undefined
  readonly rawHeaders: readonly string[]
  /** The proxy's address. */
  readonly address: string
}

/**
 * Reads the original request in the words of the one proxy the endpoint is for. Headers of other proxies' ways are not
 * looked at: a client may have sent them. Where something is missing, the answer is no: taking the inquiry's own
 * path instead once opened another decision service to everybody.
 */
export function readOriginal(proxy: Exclude<AuthzProxy, 'envoyGrpc'>, inquiry: Inquiry): Original | Denial {
  return proxies[proxy](inquiry)
}

/** Under which all inquiries come, so that the rest of an address is free for probes. */
export const authzPath = '/authz'

/** Method, target and host in headers; the inquiry itself goes to `/authz`. */
function byHeaders(names: HeaderNames): (inquiry: Inquiry) => Original | Denial {
  return ({ target, rawHeaders, address }) => {
    // Caddy leaves the original query behind the path it asks at. It counts for nothing here.
    if (target !== authzPath && !target.startsWith(`${authzPath}?`)) return notAuthz
    const method = only(rawHeaders, names.method)
    const asked = only(rawHeaders, names.target)
    const host = only(rawHeaders, names.host)
    for (const [name, value] of [
      [names.method, method],
      [names.target, asked],
      [names.host, host],
    ] as const) {
      if (value === undefined) return deny('request-malformed', `the proxy must say ${name}, once`)
    }
    const read = readHost(host!)
    if (read === undefined) return deny('request-malformed', `${names.host} is no host`)
    const from = lastOf(rawHeaders, names.address) ?? address
    return { method: method!, target: asked!, host: read, rawHeaders, address: from }
  }
}

/** Envoy asks with the original method and host, and the original path behind the prefix. */
function byPath({ method, target, host, rawHeaders, address }: Inquiry): Original | Denial {
  if (!target.startsWith(`${authzPath}/`)) return notAuthz
  if (host === undefined) return deny('request-malformed', 'no Host header')
  const from = lastOf(rawHeaders, 'x-forwarded-for') ?? address
  return { method, target: target.slice(authzPath.length), host, rawHeaders, address: from }
}

/** The value of a header that stands there exactly once. */
function only(rawHeaders: readonly string[], lowerName: string): string | undefined {
  let value: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() !== lowerName) continue
    if (value !== undefined) return undefined
    value = rawHeaders[i + 1]!
  }
  return value === '' ? undefined : value
}

/** The last address of a list: the one that the proxy itself has added. */
function lastOf(rawHeaders: readonly string[], lowerName: string): string | undefined {
  let value: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() === lowerName) value = rawHeaders[i + 1]!
  }
  return value?.slice(value.lastIndexOf(',') + 1).trim()
}

type HeaderNames = {
  readonly method: string
  readonly target: string
  readonly host: string
  readonly address: string
}

/** Traefik and Caddy send these by themselves. */
const forwarded: HeaderNames = {
  method: 'x-forwarded-method',
  target: 'x-forwarded-uri',
  host: 'x-forwarded-host',
  address: 'x-forwarded-for',
}

/** What a configuration of ours has the proxy say. */
const original: HeaderNames = {
  method: 'x-original-method',
  target: 'x-original-uri',
  host: 'x-original-host',
  address: 'x-original-address',
}

const proxies: Readonly<Record<Exclude<AuthzProxy, 'envoyGrpc'>, (inquiry: Inquiry) => Original | Denial>> = {
  nginx: byHeaders(original),
  haproxy: byHeaders(original),
  traefik: byHeaders(forwarded),
  caddy: byHeaders(forwarded),
  envoy: byPath,
}

const notAuthz: Denial = Object.freeze(deny('route-unknown', `decisions are asked for under ${authzPath}`))
