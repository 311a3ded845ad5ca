import type { CanonicalPath } from '@countersign/sdk/policy'

/** The rule of canonical paths once more, written for the eye instead of the request path; undefined where it refuses. */
export function naivePath(target: string): CanonicalPath | undefined {
  const [, rawPath, query] = /^([^?]*)(.*)$/s.exec(target)!
  if (/[^!-~]|#/.test(target) || /[\\;"<>^`{}]/.test(rawPath!)) return undefined
  if (/%(?![0-9a-f]{2})|%2f|%5c|%3b|%[01]|%7f|\/\//i.test(rawPath!)) return undefined
  const path = rawPath!.replaceAll(/%(..)/g, (whole, hex: string) => {
    const character = String.fromCharCode(parseInt(hex, 16))
    return /[A-Za-z0-9._~-]/.test(character) ? character : whole.toUpperCase()
  })
  if (/%25[0-9a-f]{2}/i.test(path) || /\/\.\.?(\/|$)/.test(path)) return undefined
  try {
    return { path, segments: path.slice(1).split('/').map(decodeURIComponent), query: query! }
  } catch {
    return undefined
  }
}
