/** Where a request stands in a trace: the two headers of W3C Trace Context, checked. */
export type TraceContext = {
  readonly traceparent: string
  /** Empty when there is none, or none that is well formed. */
  readonly tracestate: string
  readonly traceId: string
  readonly parentId: string
  readonly isSampled: boolean
}

/**
 * Reads the trace context of a request (https://www.w3.org/TR/trace-context/ §3). What is malformed is as if it were not
 * there (§4.3): passed on, it would break the trace further down, or smuggle something there.
 *
 * @param rawHeaders names and values in turns, as they arrived
 *
 * @example
 * const trace = readTraceContext(['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'])
 */
export function readTraceContext(rawHeaders: readonly string[]): TraceContext | undefined {
  let traceparent: string | undefined
  let tracestate: string | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const { length } = rawHeaders[index]!
    if (length !== 11 && length !== 10) continue
    const name = rawHeaders[index]!.toLowerCase()
    const value = rawHeaders[index + 1]!
    if (name === 'traceparent') {
      // Which of two would be the right one?
      if (traceparent !== undefined) return undefined
      traceparent = value
    } else if (name === 'tracestate') {
      tracestate = tracestate === undefined ? value : `${tracestate},${value}`
    }
  }
  if (traceparent === undefined || !isTraceparent(traceparent)) return undefined
  return {
    traceparent,
    tracestate: tracestate !== undefined && isTracestate(tracestate) ? tracestate : '',
    traceId: traceparent.slice(3, 35),
    parentId: traceparent.slice(36, 52),
    isSampled: (Number.parseInt(traceparent.slice(53, 55), 16) & 1) === 1,
  }
}

/** The header lines that pass a trace on, each with its CRLF. */
export function traceLines({
  traceparent,
  tracestate,
}: Pick<TraceContext, 'traceparent' | 'tracestate'>): string {
  const lines = `traceparent: ${traceparent}\r\n`
  return tracestate === '' ? lines : `${lines}tracestate: ${tracestate}\r\n`
}

/** §3.2.2. A later version may have more behind it, after a dash. */
function isTraceparent(value: string): boolean {
  if (value.length < 55 || value.length > 256) return false
  const parts = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[!-~]*)?$/.exec(value)
  if (parts === null) return false
  const [, version, traceId, parentId, more] = parts
  if (version === 'ff' || (version === '00' && more !== undefined)) return false
  return traceId !== '0'.repeat(32) && parentId !== '0'.repeat(16)
}

/** §3.3.1: at most 32 members `key=value`; of 512 characters at least everybody keeps. */
function isTracestate(value: string): boolean {
  if (value.length > 512) return false
  const members = value.split(',').map((member) => member.trim())
  const keys = new Set<string>()
  for (const member of members) {
    if (member === '') continue
    const equals = member.indexOf('=')
    const key = member.slice(0, Math.max(equals, 0))
    if (!isKey(key) || !isValue(member.slice(equals + 1)) || keys.has(key)) return false
    keys.add(key)
  }
  return keys.size > 0 && keys.size <= 32
}

function isKey(key: string): boolean {
  return /^[a-z0-9][a-z0-9_\-*/@]{0,255}$/.test(key) && key.split('@').length <= 2
}

function isValue(value: string): boolean {
  return /^[ -+\--<>-~]{0,255}[!-+\--<>-~]$/.test(value)
}
