import { BlockList, isIP } from 'node:net'

/** Which peers are our own proxies, whose word on the client's address we take. */
export type TrustedProxies = {
  /** Whether a peer with this address is one of them. */
  trusts(address: string): boolean
  /**
   * Whose request this is: the peer, or if that is a trusted proxy, whom it says it speaks for. Read from the right, since
   * each proxy adds at the right; what stands left of the first address that is no proxy of ours may be invented.
   *
   * @param peer the address at the other end of the connection
   * @param forwardedFor every `X-Forwarded-For` header, joined by commas in their order; undefined when there is none
   */
  clientAddress(peer: string, forwardedFor: string | undefined): string
}

/**
 * @param networks addresses and CIDR networks: `10.0.0.7`, `10.0.0.0/8`, `2001:db8::/32`; nobody when empty
 *
 * @example
 * const proxies = createTrustedProxies(['10.0.0.0/8'])
 * proxies.clientAddress('10.0.0.7', '203.0.113.9')   // '203.0.113.9'
 */
export function createTrustedProxies(networks: readonly string[]): TrustedProxies {
  if (networks.length === 0) return { trusts: () => false, clientAddress: (peer) => peer }
  const list = new BlockList()
  for (const network of networks) {
    const { address, bits, family } = readNetwork(network)!
    list.addSubnet(address, bits, family)
  }
  const trusts = (address: string): boolean => {
    const version = isIP(address)
    return version !== 0 && list.check(address, version === 4 ? 'ipv4' : 'ipv6')
  }
  return {
    trusts,
    clientAddress(peer, forwardedFor) {
      let client = peer
      let left = forwardedFor
      while (left !== undefined && trusts(client)) {
        const comma = left.lastIndexOf(',')
        const next = plainAddress(left.slice(comma + 1).trim())
        // Nonsense, or a hidden name: the last one who said something sensible is all we know.
        if (isIP(next) === 0) return client
        client = next
        left = comma === -1 ? undefined : left.slice(0, comma)
      }
      return client
    },
  }
}

/** @returns undefined for what is neither an address nor a network whose address has no bits beyond its length */
export function readNetwork(
  text: string,
): { readonly address: string; readonly bits: number; readonly family: 'ipv4' | 'ipv6' } | undefined {
  const slash = text.indexOf('/')
  const address = slash === -1 ? text : text.slice(0, slash)
  const version = isIP(address)
  if (version === 0 || address.includes('%')) return undefined
  const width = version === 4 ? 32 : 128
  const length = slash === -1 ? String(width) : text.slice(slash + 1)
  if (!/^(0|[1-9][0-9]{0,2})$/.test(length) || Number(length) > width) return undefined
  return { address, bits: Number(length), family: version === 4 ? 'ipv4' : 'ipv6' }
}

/** Listening for both families, Node gives IPv4 addresses in IPv6 clothes (RFC 4291 §2.5.5.2). */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address
}

/** What counts as one address when requests are counted: of IPv6 the /64, since that is what one customer has. */
export function addressKey(address: string): string {
  const plain = plainAddress(address)
  return plain.includes(':') ? firstFourGroups(plain) : plain
}

function firstFourGroups(address: string): string {
  const [head = '', tail] = address.split('%')[0]!.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail === undefined) return groups.slice(0, 4).join(':')
  const after = tail === '' ? [] : tail.split(':')
  while (groups.length + after.length < 8) groups.push('0')
  return [...groups, ...after].slice(0, 4).join(':')
}
