/**
 * What the upstream is asked for: the very path that was authorised, without the segments that named the service.
 *
 * @param path canonical
 * @example
 * withoutPrefix('/billing/invoices/7', 1) // '/invoices/7'
 */
export function withoutPrefix(path: string, segments: number): string {
  let at = 0
  for (let count = 0; count < segments; count++) {
    at = path.indexOf('/', at + 1)
    if (at === -1) return '/'
  }
  return path.slice(at)
}
