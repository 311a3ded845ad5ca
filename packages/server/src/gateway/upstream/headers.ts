import { headerFate, hopByHopNames, isHopByHop } from './header-names.ts'
import type { GatedRequest } from '../front/request-gate.ts'
import type { ResponseHead } from './response-head.ts'

/**
 * The header lines of the request to an upstream, without Host, and the empty line behind them. Built from nothing: first
 * what the client sent and may say, then what only we may say. Nothing the client sent can stand in one of our headers'
 * places, however it is spelled.
 *
 * @param rawHeaders what the client sent, names and values in turns
 * @param forwarded the X-Forwarded-* lines, with CRLF
 * @param identity the Countersign-* lines, with CRLF; empty on an open route
 */
export function upstreamFields(
  rawHeaders: readonly string[],
  request: GatedRequest,
  forwarded: string,
  via: string,
  identity: string,
): string {
  let head = ''
  const { body, dropped } = request
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    const fate = headerFate(name)
    if (fate !== 'forward' && fate !== 'forward-once' && fate !== 'via') continue
    if (dropped !== undefined && dropped.includes(name.toLowerCase())) continue
    head += name + ': ' + rawHeaders[i + 1]! + '\r\n'
  }
  head += forwarded + via + identity
  if (body === 'none') return head + '\r\n'
  // The framing is our own (RFC 9112 §6.3): never the client's text.
  return (
    head + (body === 'chunked' ? 'Transfer-Encoding: chunked\r\n\r\n' : `Content-Length: ${body}\r\n\r\n`)
  )
}

/**
 * The headers of a reply for the client, names and values in turns: hop-by-hop ones and those named in the upstream's
 * Connection header taken out, and the framing left to be written anew.
 */
export function replyHeaders(head: Pick<ResponseHead, 'connectionNames' | 'headers'>): string[] {
  const { headers, connectionNames } = head
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!
    if (isDroppedFromReply(name)) continue
    if (connectionNames !== undefined && connectionNames.includes(name.toLowerCase())) continue
    kept.push(name, headers[i + 1]!)
  }
  return kept
}

/** Spellings are remembered as in headerFate; most names are let off for their length alone. */
function isDroppedFromReply(name: string): boolean {
  if (!droppedLengths.has(name.length)) return false
  const known = droppedFromReply.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  const isDropped = isHopByHop(lower) || lower === 'content-length'
  if (droppedFromReply.size < mostSpellings) droppedFromReply.set(name, isDropped)
  return isDropped
}

const droppedFromReply = new Map<string, boolean>()
const droppedLengths: ReadonlySet<number> = new Set(
  [...hopByHopNames, 'content-length'].map((name) => name.length),
)
const mostSpellings = 2_048
