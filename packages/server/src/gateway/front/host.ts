import { isIPv6 } from 'node:net'

/** A Host header, read. */
export type Host = {
  /** As it arrived: `host` or `host:port`. */
  readonly authority: string
  /** For matching: lower case, without port and trailing dot. */
  readonly name: string
}

/**
 * Reads a Host header (RFC 9110 §7.2, RFC 3986 §3.2.2): a name, an IPv4 address or a bracketed IPv6 address, and
 * perhaps a port. No userinfo, no path, no percent-encoding: `a@b/c` once closed down a check behind it, and what
 * is no host here is a host of the attacker's choice elsewhere.
 *
 * @returns undefined when it is none of these
 */
export function readHost(value: string): Host | undefined {
  const known = hosts.get(value)
  if (known !== undefined) return known
  const host = parseHost(value)
  if (host !== undefined && hosts.size < mostHosts) hosts.set(value, host)
  return host
}

function parseHost(value: string): Host | undefined {
  if (value.length > 255 + 6) return undefined
  const bracket = value.startsWith('[') ? value.indexOf(']') : -1
  if (value.startsWith('[') && bracket === -1) return undefined
  const colon = value.indexOf(':', bracket + 1)
  const name = (colon === -1 ? value : value.slice(0, colon)).toLowerCase()
  if (colon !== -1 && !isPort(value.slice(colon + 1))) return undefined
  if (bracket !== -1) {
    if (name.length !== bracket + 1 || !isAddress(name.slice(1, -1))) return undefined
    return Object.freeze({ authority: value, name })
  }
  if (!consistsOf(name, nameCharacters) || name.startsWith('.') || name.includes('..')) return undefined
  return Object.freeze({ authority: value, name: name.endsWith('.') ? name.slice(0, -1) : name })
}

/** Without a zone (`%eth0`), which means something on one machine only. */
function isAddress(text: string): boolean {
  return isIPv6(text) && !text.includes('%')
}

function isPort(text: string): boolean {
  return text.length <= 5 && consistsOf(text, '0123456789') && Number(text) <= 65_535
}

/** True for a text of at least one character, all of them out of `characters`. */
function consistsOf(text: string, characters: string): boolean {
  for (let i = 0; i < text.length; i++) if (!characters.includes(text[i]!)) return false
  return text.length > 0
}

/** Underscores are no part of a host name, but of the names container networks give. */
const nameCharacters = 'abcdefghijklmnopqrstuvwxyz0123456789-._'
/** What clients send repeats; bounded, since they choose it. */
const hosts = new Map<string, Host>()
const mostHosts = 1_024
