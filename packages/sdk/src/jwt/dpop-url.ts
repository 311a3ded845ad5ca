/**
 * Whether two URLs are one target for a proof (RFC 9449 §4.3 point 9): compared without query and fragment, after
 * normalising scheme, host, default port, dot segments and percent-encoding (RFC 3986 §6.2.2, §6.2.3).
 *
 * False for anything that is no http(s) URL, or has credentials in it.
 */
export function isSameTarget(one: string, other: string): boolean {
  if (one === other) return comparable(one) !== undefined
  const target = comparable(one)
  return target !== undefined && target === comparable(other)
}

/** The form of a URL that proofs name and are compared by; undefined for what is no http(s) URL without credentials. */
export function comparable(text: string): string | undefined {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return undefined
  if (url.username !== '' || url.password !== '') return undefined
  const { origin, pathname } = url
  return origin + (pathname.includes('%') ? normalisePercents(pathname) : pathname)
}

/** `%7e` is `%7E` is `~` (RFC 3986 §6.2.2.1, §6.2.2.2); what is not unreserved stays encoded. */
function normalisePercents(path: string): string {
  return path.replaceAll(/%[0-9a-f]{2}/gi, (encoded) => {
    const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16))
    return unreserved.includes(character) ? character : encoded.toUpperCase()
  })
}

const unreserved = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~'
