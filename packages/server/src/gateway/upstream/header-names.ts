/** What happens to a request header on its way to an upstream. */
export type HeaderFate =
  /** Passed on as it is. */
  | 'forward'
  /** Passed on as it is; may stand there only once. */
  | 'forward-once'
  /** Never passed on: hop by hop, ours to set, or a way to make an upstream see another request than we do. */
  | 'drop'
  /** Read by the request gate, and written anew or not at all. */
  | 'connection'
  | 'content-length'
  | 'host'
  | 'trace'
  | 'transfer-encoding'
  | 'upgrade'
  | 'via'

/**
 * The fate of a request header, by its name as spelled on the wire.
 *
 * Spellings are remembered, so that the usual ones cost one look-up; how many is bounded, since clients choose them.
 */
export function headerFate(name: string): HeaderFate {
  const known = fates.get(name)
  if (known !== undefined) return known
  const fate = judgeName(name)
  if (fates.size < mostSpellings && name.length <= longestRemembered) fates.set(name, fate)
  return fate
}

/** Whether a name belongs to hop-by-hop headers, which a `Connection` header may list (RFC 9110 §7.6.1). */
export function isHopByHop(lowerName: string): boolean {
  return hopByHop.has(lowerName)
}

function judgeName(name: string): HeaderFate {
  const lower = name.toLowerCase()
  const special = specialNames.get(lower)
  if (special !== undefined) return special
  // CGI, WSGI and their heirs read "-", "_" and others alike, so Countersign_Roles would be taken for ours.
  if (!isPlainName(lower)) return 'drop'
  if (hopByHop.has(lower) || ours.has(lower)) return 'drop'
  for (const prefix of ourPrefixes) if (lower.startsWith(prefix)) return 'drop'
  return 'forward'
}

function isPlainName(lower: string): boolean {
  for (let i = 0; i < lower.length; i++) {
    const code = lower.charCodeAt(i)
    const plain = (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39) || code === 0x2d
    if (!plain) return false
  }
  return lower.length > 0
}

const specialNames: ReadonlyMap<string, HeaderFate> = new Map<string, HeaderFate>([
  ['authorization', 'forward-once'],
  ['connection', 'connection'],
  ['content-length', 'content-length'],
  ['content-type', 'forward-once'],
  ['host', 'host'],
  // Passed on when well formed, or replaced by a span of ours.
  ['traceparent', 'trace'],
  ['tracestate', 'trace'],
  ['transfer-encoding', 'transfer-encoding'],
  ['upgrade', 'upgrade'],
  ['via', 'via'],
])

/** RFC 9110 §7.6.1 and what older software treats the same way. */
export const hopByHopNames: readonly string[] = [
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]
const hopByHop: ReadonlySet<string> = new Set(hopByHopNames)

/** Ask a service for another method or path than was authorised: of IIS, Symfony, Rails and others. In lower case. */
export const overrideNames: readonly string[] = [
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-url',
  'x-rewrite-url',
]

/** Only a trusted hop before us could say these, and none is configured. In lower case. */
export const forgedNames: readonly string[] = [
  // RFC 9440 §2.4: whoever passes requests on takes out what the client may have invented.
  'client-cert',
  'client-cert-chain',
  'cf-connecting-ip',
  'forwarded',
  // httpoxy (CVE-2016-5385): CGI makes it HTTP_PROXY.
  'proxy',
  'true-client-ip',
  // A rule for POST must not let a DELETE through.
  ...overrideNames,
  'x-client-ip',
  'x-cluster-client-ip',
  'x-real-ip',
]

/** Beside them, what is answered by us. */
const ours: ReadonlySet<string> = new Set(['expect', ...forgedNames])

const ourPrefixes: readonly string[] = ['countersign-', 'x-envoy-', 'x-forwarded-', 'x-original-']

const fates = new Map<string, HeaderFate>()
const mostSpellings = 2_048
/** Longer than any name in use: 2,048 of the longest a head may hold would be 64 MiB. */
const longestRemembered = 64
