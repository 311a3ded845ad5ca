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

/** §3.2.2. By hand, since it is done for each request that is traced by somebody. A later version may have more behind it. */
function isTraceparent(value: string): boolean {
  const { length } = value
  if (length < 55 || length > 256) return false
  if (value.charCodeAt(2) !== DASH || value.charCodeAt(35) !== DASH || value.charCodeAt(52) !== DASH)
    return false
  const wellFormed = isHex(value, 0, 2) && isHex(value, 3, 35) && isHex(value, 36, 52) && isHex(value, 53, 55)
  if (!wellFormed || isAll(value, ZERO, 3, 35) || isAll(value, ZERO, 36, 52)) return false
  if (value.startsWith('ff')) return false
  if (length === 55) return true
  return !value.startsWith('00') && /^-[!-~]*$/.test(value.slice(55))
}

/** Lower case only. */
function isHex(value: string, from: number, to: number): boolean {
  for (let index = from; index < to; index++) {
    const code = value.charCodeAt(index)
    if (!((code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66))) return false
  }
  return true
}

function isAll(value: string, code: number, from: number, to: number): boolean {
  for (let index = from; index < to; index++) if (value.charCodeAt(index) !== code) return false
  return true
}

const DASH = 0x2d
const ZERO = 0x30

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
