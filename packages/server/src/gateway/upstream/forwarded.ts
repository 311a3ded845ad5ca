import type { Socket } from 'node:net'
import type { TrustedProxies } from '../../net/address.ts'

/** Whose request it is, and how it came. */
export type Sender = { readonly address: string; readonly protocol: 'http' | 'https' }

/**
 * What the connection says, or when its other end is a proxy that the trust file names, what that one says. Nobody else is
 * heard: whoever may call could say anything.
 */
export function senderOf(
  proxies: TrustedProxies | undefined,
  client: { readonly address: string; readonly socket: Socket },
  rawHeaders: readonly string[],
): Sender {
  const protocol = 'encrypted' in client.socket ? 'https' : 'http'
  if (proxies === undefined || !proxies.trusts(client.address)) return { address: client.address, protocol }
  const said = forwardedProtocol(rawHeaders)
  return {
    address: proxies.clientAddress(client.address, valuesOf(rawHeaders, 'x-forwarded-for')),
    protocol: said ?? protocol,
  }
}

/** The X-Forwarded-* lines for an upstream; whatever the client sent under these names is dropped. */
export function forwardedLines({ address, protocol }: Sender, authority: string | undefined): string {
  const lines = `X-Forwarded-For: ${address}\r\nX-Forwarded-Proto: ${protocol}\r\n`
  return authority === undefined ? lines : `${lines}X-Forwarded-Host: ${authority}\r\n`
}

/** Only one word that we know; a list, or another word, says nothing. */
function forwardedProtocol(rawHeaders: readonly string[]): Sender['protocol'] | undefined {
  const value = valuesOf(rawHeaders, 'x-forwarded-proto')?.trim().toLowerCase()
  return value === 'http' || value === 'https' ? value : undefined
}

function valuesOf(rawHeaders: readonly string[], name: string): string | undefined {
  let values: string | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]!.length !== name.length || rawHeaders[index]!.toLowerCase() !== name) continue
    const value = rawHeaders[index + 1]!
    values = values === undefined ? value : `${values},${value}`
  }
  return values
}
