import type { IncomingMessage } from 'node:http'
import { deny } from '@countersign/sdk/core'
import type { Denial } from '@countersign/sdk/core'
import { readLength } from './content-length.ts'
import { headerFate, isHopByHop } from '../upstream/header-names.ts'
import { readHost } from './host.ts'
import type { Host } from './host.ts'

/**
 * The gate every request passes before anything else is decided. Node's parser settles where a request ends; this
 * settles what it says, from the raw headers and the raw target, and refuses what two servers could read differently.
 *
 * After a refusal here the connection is closed: nothing behind such a request can be trusted to be a request.
 */
export function gateRequest(request: RawRequest): GatedRequest | GateRefusal {
  const { httpVersionMajor, httpVersionMinor, method, rawHeaders, url: target } = request
  // Node passes on "HTTP/2.0" in a request line and HTTP/0.9, whatever that may mean to an upstream.
  if (httpVersionMajor !== 1 || (httpVersionMinor !== 0 && httpVersionMinor !== 1)) {
    return malformed('the HTTP version is neither 1.0 nor 1.1')
  }
  if (method === undefined || target === undefined) return malformed('no method or target')
  if (rawHeaders.length > mostHeaders * 2) return malformed(`more than ${mostHeaders} headers`)

  let hostValue: string | undefined
  let lengthValue: string | undefined
  let chunked = false
  let connection: string | undefined
  let upgrade: string | undefined
  let via: string | undefined
  let authorization = false
  let contentType = false
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    const fate = headerFate(name)
    if (fate === 'forward' || fate === 'drop' || fate === 'trace') continue
    const value = rawHeaders[i + 1]!
    switch (fate) {
      case 'host':
        if (hostValue !== undefined) return malformed('two Host headers')
        hostValue = value
        break
      case 'content-length':
        if (lengthValue !== undefined) return malformed('two Content-Length headers')
        lengthValue = value
        break
      case 'transfer-encoding':
        if (chunked) return malformed('two Transfer-Encoding headers')
        if (value.toLowerCase() !== 'chunked') return malformed('a transfer coding other than chunked')
        chunked = true
        break
      case 'connection':
        connection = connection === undefined ? value : `${connection},${value}`
        break
      case 'upgrade':
        upgrade = upgrade === undefined ? value : `${upgrade},${value}`
        break
      case 'via':
        via = via === undefined ? value : `${via},${value}`
        break
      case 'forward-once':
        if (name.length === 13) {
          // Which of the two would the upstream take?
          if (authorization) return denied(repeatedAuthorization)
          authorization = true
        } else {
          if (contentType) return malformed('two Content-Type headers')
          contentType = true
        }
        break
    }
  }

  if (chunked && lengthValue !== undefined) return malformed('both Content-Length and Transfer-Encoding')
  if (chunked && httpVersionMinor === 0) return malformed('Transfer-Encoding in an HTTP/1.0 request')
  const contentLength = lengthValue === undefined ? undefined : readLength(lengthValue)
  if (contentLength === -1) return malformed('a Content-Length that is no number')

  let host: Host | undefined
  if (hostValue !== undefined) {
    host = readHost(hostValue)
    if (host === undefined) return malformed('a Host header that is no host')
  } else if (httpVersionMinor === 1) return malformed('no Host header')

  let dropped: readonly string[] | undefined
  if (connection !== undefined && connection !== 'keep-alive' && connection !== 'close') {
    const names = readConnection(connection)
    if (typeof names === 'string') return malformed(names)
    dropped = names
  }

  // RFC 9110 §7.8: an upgrade may be ignored, and for h2c it must be for clients that offer it on every request.
  let websocket = false
  if (upgrade !== undefined && upgrade.toLowerCase() !== 'h2c') {
    if (!isWebSocketUpgrade(request)) return { kind: 'unsupported', what: 'upgrade' }
    if (chunked || (contentLength ?? 0) > 0) return malformed('an upgrade with a body')
    websocket = true
  }
  // TRACE would send the token and the identity headers back to whoever asks.
  if (method === 'TRACE' || method === 'CONNECT') return { kind: 'unsupported', what: 'method' }
  if (target === '*') {
    return method === 'OPTIONS' ? { kind: 'asterisk' } : malformed('"*" as the target of another method')
  }
  const originForm = target.charCodeAt(0) === SLASH ? target : fromAbsoluteForm(target, host)
  if (originForm === undefined) return malformed('a request target whose authority is not the Host header')

  return {
    kind: 'request',
    method,
    target: originForm,
    host,
    body: chunked ? 'chunked' : contentLength === undefined ? 'none' : contentLength,
    dropped,
    via,
    websocket,
  }
}

/** The parts of node:http's request that the gate reads. */
export type RawRequest = Pick<
  IncomingMessage,
  'headers' | 'httpVersionMajor' | 'httpVersionMinor' | 'method' | 'rawHeaders' | 'url'
>

export type GatedRequest = {
  readonly kind: 'request'
  readonly method: string
  /** In origin-form, as it arrived. */
  readonly target: string
  /** Undefined only in HTTP/1.0. */
  readonly host: Host | undefined
  /** How the body is framed: its length in bytes, or chunked, or none. */
  readonly body: number | 'chunked' | 'none'
  /** Lower-case names of headers the client wants dropped at this hop, beyond those that always are. */
  readonly dropped: readonly string[] | undefined
  /** Who has passed the request on before us (RFC 9110 §7.6.3). */
  readonly via: string | undefined
  /** It asks to become a WebSocket. */
  readonly websocket: boolean
}

/**
 * Whether a request asks for a WebSocket and nothing else (RFC 6455 §4.2.1). Node's parser is told so as well: behind any
 * other upgrade it goes on to read HTTP.
 */
export function isWebSocketUpgrade({
  method,
  httpVersionMinor,
  headers,
}: Pick<IncomingMessage, 'method' | 'httpVersionMinor' | 'headers'>): boolean {
  if (method !== 'GET' || httpVersionMinor !== 1 || headers.upgrade?.toLowerCase() !== 'websocket')
    return false
  const options = (headers.connection ?? '').toLowerCase().split(',')
  return options.some((option) => option.trim() === 'upgrade')
}

export type GateRefusal =
  | { readonly kind: 'denied'; readonly denial: Denial }
  /** To be answered with 501. */
  | { readonly kind: 'unsupported'; readonly what: 'upgrade' | 'method' }
  /** `OPTIONS *`: asks the gateway itself. */
  | { readonly kind: 'asterisk' }

/** `http://host/path` (RFC 9112 §3.2.2): accepted only if it says the same as the Host header. */
function fromAbsoluteForm(target: string, host: Host | undefined): string | undefined {
  const scheme = target.slice(0, 8).toLowerCase()
  const start = scheme.startsWith('http://') ? 7 : scheme === 'https://' ? 8 : -1
  if (start === -1 || host === undefined) return undefined
  const slash = target.indexOf('/', start)
  const end = slash === -1 ? target.length : slash
  if (target.slice(start, end).toLowerCase() !== host.authority.toLowerCase()) return undefined
  return slash === -1 ? '/' : target.slice(slash)
}

/**
 * Reads the names in a Connection header. Naming one that carries identity, the token or the framing is an attempt to
 * have it taken off behind our decision (Traefik CVE-2024-45410, fastify reply-from CVE-2026-33805).
 */
function readConnection(value: string): readonly string[] | string | undefined {
  const names: string[] = []
  for (const part of value.toLowerCase().split(',')) {
    const name = part.trim()
    if (name === '' || name === 'close' || name === 'keep-alive' || isHopByHop(name)) continue
    const fate = headerFate(name)
    if ((fate !== 'forward' && fate !== 'trace') || name === 'cookie')
      return 'a Connection header that names a protected header'
    names.push(name)
  }
  return names.length === 0 ? undefined : names
}

function malformed(detail: string): GateRefusal {
  return denied(deny('request-malformed', detail))
}

function denied(denial: Denial): GateRefusal {
  return { kind: 'denied', denial }
}

const SLASH = 0x2f
const mostHeaders = 100
const repeatedAuthorization = Object.freeze(deny('token-repeated', 'two Authorization headers'))
