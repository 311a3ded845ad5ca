import { deny } from '@countersign/sdk/core'
import type { Denial } from '@countersign/sdk/core'
import type { ReadyRoute, ReadyService } from '../decision/routes.ts'
import { handshakeFault } from '../upstream/tunnel.ts'
import type { Original } from './authz-original.ts'

/**
 * What the gateway would say about a WebSocket before it looks at any token: only routes that the trust file names become
 * one, and where a cookie may be the token, only for a page of the same host.
 *
 * Proxies differ in what they show of a handshake: some take `Upgrade` out and leave the key.
 *
 * @returns undefined for what is no handshake, and for one that may go on
 */
export function webSocketRefusal(
  { websocket, tokenFrom }: Pick<ReadyService, 'websocket' | 'tokenFrom'>,
  { name }: Pick<ReadyRoute, 'name'>,
  { rawHeaders, host }: Pick<Original, 'rawHeaders' | 'host'>,
): Denial | undefined {
  if (!isHandshake(rawHeaders)) return undefined
  if (websocket?.routes.has(name) !== true) return noWebSocket
  const takesCookies = tokenFrom.some(({ kind }) => kind === 'cookie')
  // The Host of an inquiry may be our own.
  const others = rawHeaders.flatMap((header, at) =>
    at % 2 === 0 && header.toLowerCase() !== 'host' ? [header, rawHeaders[at + 1]!] : [],
  )
  const fault = handshakeFault([...others, 'Host', host.authority], takesCookies)
  return fault === undefined ? undefined : deny('request-malformed', fault)
}

function isHandshake(rawHeaders: readonly string[]): boolean {
  return rawHeaders.some((header, at) => {
    if (at % 2 !== 0) return false
    const name = header.toLowerCase()
    return name === 'sec-websocket-key' || (name === 'upgrade' && isWebSocket(rawHeaders[at + 1]!))
  })
}

function isWebSocket(upgrade: string): boolean {
  return upgrade.split(',').some((protocol) => protocol.trim().toLowerCase().startsWith('websocket'))
}

const noWebSocket: Denial = Object.freeze(
  deny('request-malformed', 'a WebSocket on a route that becomes none'),
)
