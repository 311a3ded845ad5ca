import type { Denial, DenialReason } from '../core/denial.ts'
import type { Problem } from '../core/problem.ts'

/** A refusal as it goes over the wire. */
export type Challenge = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** One line without its end, or a JSON document. */
  readonly body: string
}

export type ChallengeOptions = {
  /** The protection space (RFC 9110 §11.5). */
  readonly realm: string
  /** Every scope the route asks for: named when one is missing (RFC 6750 §3.1). */
  readonly scopes?: readonly string[]
  /** Whether the caller would rather have a problem document than a line of text; see {@link prefersJson}. */
  readonly wantsJson: boolean
  /** The URL of this service's protected resource metadata (RFC 9728 §5.1). */
  readonly resourceMetadata?: string
  /** The methods the path has: the `Allow` header of a 405 (RFC 9110 §15.5.6). */
  readonly allow?: readonly string[]
  /** Where DPoP proofs are checked: what callers need to know to make one. */
  readonly dpop?: DpopTerms | undefined
}

/** What a challenge of the scheme `DPoP` tells (RFC 9449 §7.1, §9). */
export type DpopTerms = {
  /** Whether bearer tokens are refused, so that their scheme is not offered. */
  readonly required: boolean
  /** What proofs may be signed with: `algs`. */
  readonly algorithms: readonly string[]
  /** The nonce to use: the `DPoP-Nonce` header. */
  readonly nonce: string | undefined
}

/**
 * How a denial looks in HTTP: exact for the operator, vague for the caller. Nothing of the denial's detail, and
 * nothing the caller sent, is repeated.
 *
 * @example
 * challenge(denial, { realm: 'billing', wantsJson: false })
 * // { status: 401, headers: { 'WWW-Authenticate': 'Bearer realm="billing"', … }, body: 'No Authorization Token provided' }
 */
export function challenge(denial: Denial, options: ChallengeOptions): Challenge {
  const wire = denialWire[denial.reason]
  const headers: Record<string, string> = {}
  if (wire.asks) {
    headers['WWW-Authenticate'] = schemesOf(wire, options.dpop)
      .map((scheme) => challengeOf(scheme, wire, options))
      .join(', ')
    if (options.dpop?.nonce !== undefined) headers['DPoP-Nonce'] = options.dpop.nonce
  }
  if (wire.status === 405) headers['Allow'] = (options.allow ?? []).join(', ')
  return refusal(wire, headers, options.wantsJson)
}

/**
 * How a failure to decide looks in HTTP: 503 and when to try again. Never 401, which would tell a good caller that its
 * token is bad, and never a yes.
 *
 * @example
 * problemResponse(problem, { wantsJson: true }).headers['Retry-After'] // '5'
 */
export function problemResponse(problem: Problem, options: { readonly wantsJson: boolean }): Challenge {
  const seconds = problem.retryAfterSeconds ?? defaultRetrySeconds
  const retryAfter = Number.isFinite(seconds)
    ? Math.min(Math.max(1, Math.ceil(seconds)), maxRetrySeconds)
    : defaultRetrySeconds
  return refusal(unableToDecide, { 'Retry-After': String(retryAfter) }, options.wantsJson)
}

/**
 * Whether an `Accept` header asks for JSON at least as much as for text (RFC 9110 §12.5.1). Only JSON by name counts:
 * whoever takes anything, as curl does, gets a line to read.
 *
 * @example
 * prefersJson('application/json, text/plain') // true
 */
export function prefersJson(accept: string | undefined): boolean {
  if (accept === undefined) return false
  let json = 0
  let text = 0
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';')
    const name = type.trim().toLowerCase()
    if (jsonTypes.includes(name)) json = Math.max(json, quality(parameters))
    else if (name.startsWith('text/')) text = Math.max(text, quality(parameters))
  }
  return json > 0 && json >= text
}

function quality(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const [name = '', value = ''] = parameter.split('=')
    if (name.trim().toLowerCase() === 'q') return Number(value.trim()) || 0
  }
  return 1
}

/** RFC 9449 §7.2: whoever takes both schemes offers both; what is wrong with a proof is said in the proof's own. */
function schemesOf(wire: WireForm, dpop: DpopTerms | undefined): readonly ('Bearer' | 'DPoP')[] {
  if (wire.aboutProof === true || dpop?.required === true) return dpopAlone
  return dpop === undefined ? bearerAlone : both
}

/** RFC 6750 §3: realm first; no error code for a caller that showed no token (§3.1). */
function challengeOf(
  scheme: 'Bearer' | 'DPoP',
  wire: WireForm,
  { realm, scopes, resourceMetadata, dpop }: ChallengeOptions,
): string {
  let header = `${scheme} realm=${quoted(realm)}`
  if (wire.error !== undefined) {
    header += `, error="${wire.error}", error_description=${quoted(wire.text)}`
    if (wire.error === 'insufficient_scope' && scopes !== undefined && scopes.length > 0) {
      header += `, scope=${quoted(scopes.join(' '))}`
    }
  }
  if (scheme === 'DPoP' && dpop !== undefined) header += `, algs=${quoted(dpop.algorithms.join(' '))}`
  return resourceMetadata === undefined ? header : `${header}, resource_metadata=${quoted(resourceMetadata)}`
}

/**
 * A quoted-string (RFC 9110 §5.6.4). What no header value may have is left out: the realm, the scopes and the URL are
 * the operator's, but a line break in one of them must not start a header of its own.
 */
function quoted(text: string): string {
  let result = '"'
  for (const character of text) {
    if (character === '"' || character === '\\') result += '\\' + character
    else if (character >= ' ' && character <= '~') result += character
  }
  return result + '"'
}

function refusal(wire: WireForm, headers: Record<string, string>, wantsJson: boolean): Challenge {
  headers['Content-Type'] = wantsJson ? 'application/problem+json' : 'text/plain; charset=utf-8'
  // A cache may keep a 404 or a 405 unasked (RFC 9110 §15.1), and serve it to callers that may do more.
  headers['Cache-Control'] = 'no-store'
  return { status: wire.status, headers, body: wantsJson ? problemDocument(wire) : wire.text }
}

/** RFC 9457 §3; the type is about:blank, so the title is the status in words (§4.2.1). */
function problemDocument({ status, error, text }: WireForm): string {
  return JSON.stringify({ type: 'about:blank', title: titles[status], status, detail: text, error })
}

/** How one kind of refusal looks outside. */
export type WireForm = {
  readonly status: 400 | 401 | 403 | 404 | 405 | 429 | 503
  /** RFC 6750 §3.1, RFC 9449 §7.1 and §9 */
  readonly error?:
    'invalid_request' | 'invalid_token' | 'insufficient_scope' | 'invalid_dpop_proof' | 'use_dpop_nonce'
  /** For people. */
  readonly text: string
  /** Whether the answer is about the token, so that it carries a challenge. */
  readonly asks: boolean
  /** Whether it is about the DPoP proof and not the token, so that only the scheme `DPoP` is offered. */
  readonly aboutProof?: boolean
}

const malformed = (text: string): WireForm => ({ status: 400, text, asks: false })
const badRequest = (text: string): WireForm => ({ status: 400, error: 'invalid_request', text, asks: true })
const badToken = (text: string): WireForm => ({ status: 401, error: 'invalid_token', text, asks: true })
const badProof = (text: string, error: 'invalid_dpop_proof' | 'use_dpop_nonce'): WireForm => ({
  status: 401,
  error,
  text,
  asks: true,
  aboutProof: true,
})
const forbidden = (text: string): WireForm => ({ status: 403, error: 'insufficient_scope', text, asks: true })

/**
 * The one table from reasons to the wire, exhaustive by its type. The words of the tutorial's own cases are the
 * tutorial's. What would help somebody guess (which key, which claim, whether the signature was good) is all
 * "Invalid Token".
 */
export const denialWire: Readonly<Record<DenialReason, WireForm>> = {
  'request-malformed': malformed('Malformed Request'),
  'path-ambiguous': malformed('Ambiguous Path'),
  'service-unknown': { status: 404, text: 'Not Found', asks: false },
  'route-unknown': { status: 404, text: 'Not Found', asks: false },
  'method-unknown': { status: 405, text: 'Method Not Allowed', asks: false },
  'token-missing': { status: 401, text: 'No Authorization Token provided', asks: true },
  'token-repeated': badRequest('More than one Authorization Token provided'),
  'token-places': badRequest('More than one Authorization Token provided'),
  'credentials-malformed': badRequest('Malformed Authorization'),
  'token-oversize': badRequest('Authorization Token too long'),
  'token-malformed': badToken('Invalid Token'),
  'algorithm-mismatch': badToken('Invalid Signing Method'),
  'critical-unknown': badToken('Invalid Token'),
  'type-mismatch': badToken('Invalid Token'),
  'key-unknown': badToken('Invalid Token'),
  'signature-invalid': badToken('Invalid Token'),
  'claim-missing': badToken('Invalid Token'),
  'claim-malformed': badToken('Invalid Token'),
  'issuer-mismatch': badToken('invalid iss'),
  'audience-mismatch': badToken('invalid aud'),
  'token-expired': badToken('Expired token'),
  'token-premature': badToken('Invalid Token'),
  'token-lifetime': badToken('Invalid Token'),
  'token-revoked': badToken('Invalid Token'),
  'claims-mismatch': badToken('Invalid Token'),
  'proof-required': badToken('Invalid Token'),
  'proof-missing': badProof('No DPoP Proof provided', 'invalid_dpop_proof'),
  'proof-invalid': badProof('Invalid DPoP Proof', 'invalid_dpop_proof'),
  'proof-replayed': badProof('Invalid DPoP Proof', 'invalid_dpop_proof'),
  'nonce-required': badProof('DPoP Nonce required', 'use_dpop_nonce'),
  'confirmation-missing': badToken('Invalid Token'),
  'confirmation-mismatch': badToken('Invalid Token'),
  'scope-missing': forbidden('Insufficient Scope'),
  'role-missing': forbidden('Forbidden'),
  'claim-refused': forbidden('Forbidden'),
  // RFC 6585 §4
  'rate-exceeded': { status: 429, text: 'Too Many Requests', asks: false },
}

const unableToDecide: WireForm = { status: 503, text: 'Service Unavailable, please try again', asks: false }

const titles: Readonly<Record<WireForm['status'], string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
}

const bearerAlone = ['Bearer'] as const
const dpopAlone = ['DPoP'] as const
const both = ['Bearer', 'DPoP'] as const
const jsonTypes = ['application/json', 'application/problem+json']
const defaultRetrySeconds = 5
const maxRetrySeconds = 3600
