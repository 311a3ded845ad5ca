import type { Service } from '../../trust/trust.ts'

/**
 * What of a client's headers a service does not get: its token where the file says `remove` or `exchange`, and whatever stands
 * under a name that only we fill from claims.
 *
 * @returns undefined when it gets all of them, which costs nothing then
 */
export function compilePassing(service: Service): Passing | undefined {
  const { tokenFrom, token, claimHeaders } = service
  const filled = [...(claimHeaders?.keys() ?? [])].map((name) => name.toLowerCase())
  const removed: string[] = []
  const cookies: string[] = []
  for (const place of token === undefined || token === 'forward' ? [] : tokenFrom) {
    if (place.kind === 'cookie') cookies.push(place.name)
    // A proof without its token tells nobody anything.
    else if (place.kind === 'bearer') removed.push('authorization', 'dpop')
    else removed.push(place.name.toLowerCase())
  }
  // Ours stands there, wherever the caller's was: of two the service might take the caller's.
  if (typeof token === 'object' && !removed.includes('authorization')) removed.push('authorization', 'dpop')
  if (filled.length + removed.length + cookies.length === 0) return undefined
  const names: ReadonlySet<string> = new Set([...filled, ...removed])
  return {
    filled,
    removed,
    pass(rawHeaders) {
      const passed: string[] = []
      for (let i = 0; i < rawHeaders.length; i += 2) {
        const name = rawHeaders[i]!
        const lower = name.toLowerCase()
        if (names.has(lower)) continue
        const value = rawHeaders[i + 1]!
        const rest = lower === 'cookie' && cookies.length > 0 ? withoutCookies(value, cookies) : value
        if (rest !== '') passed.push(name, rest)
        else if (value === '') passed.push(name, value)
      }
      return passed
    },
  }
}

export type Passing = {
  /** Names, in lower case, that only claims fill. */
  readonly filled: readonly string[]
  /** Names, in lower case, under which the token stands and is taken out. */
  readonly removed: readonly string[]
  /** @param rawHeaders names and values in turns */
  pass(rawHeaders: readonly string[]): string[]
}

/** RFC 6265 §4.2.1, read as the token was found. */
function withoutCookies(value: string, names: readonly string[]): string {
  return value
    .split(';')
    .filter((pair) => !names.includes(pair.slice(0, Math.max(0, pair.indexOf('='))).trim()))
    .map((pair) => pair.trim())
    .join('; ')
}
