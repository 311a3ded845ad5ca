/**
 * True for the host names and literal addresses that always mean this machine (RFC 6761 §6.3, RFC 1122 §3.2.1.3).
 *
 * @param hostname as in a parsed URL: lower case, an IPv6 address with or without brackets, no port.
 */
export function isLoopbackHost(hostname: string): boolean {
  if (hostname === 'localhost' || hostname.endsWith('.localhost')) return true
  if (hostname === '[::1]' || hostname === '::1') return true
  const parts = hostname.split('.')
  return (
    parts.length === 4 &&
    parts[0] === '127' &&
    parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)
  )
}
