import type { Denial, DenialReason } from '../core/denial.ts'
import { isProblem } from '../core/problem.ts'
import { inspectToken } from '../jwt/inspect.ts'
import type { VerifiedToken } from '../jwt/verified-token.ts'

/**
 * What was decided about one request, for a log or a metric. Never the token, never a signature, and no path: the
 * route's template says what was asked for without what stood in it.
 */
export type DecisionEvent = {
  readonly kind: 'allow' | 'deny' | 'unable'
  /** Milliseconds since the epoch. */
  readonly atMs: number
  readonly method: string
  /** The template of the route, where routes were asked and one matched. */
  readonly route: string | undefined
  /** Why not: the denial's reason, or the code of the problem that kept us from deciding. */
  readonly reason: DenialReason | string | undefined
  /** The same in exact words, for the operator alone. */
  readonly detail: string | undefined
  /** Whose token it was; verified, and undefined where nothing was. */
  readonly token: TokenFacts | undefined
  /** What a refused token says of itself. **Unverified**: anybody can write it; it only helps to find the token. */
  readonly claimed: TokenFacts | undefined
}

/** What joins the records of issuer, gateway and guard. */
export type TokenFacts = {
  readonly issuer: string | undefined
  /** The `jti`. */
  readonly tokenId: string | undefined
  /** The `kid`. */
  readonly keyId: string | undefined
  readonly clientId: string | undefined
}

/** @param shown the verified token, or the text of a refused one: read for the facts, then forgotten. */
export function decisionEvent(
  atMs: number,
  method: string,
  route: string | undefined,
  denial: Denial | undefined,
  shown: VerifiedToken | string | undefined,
): DecisionEvent {
  return {
    kind: denial === undefined ? 'allow' : 'deny',
    atMs,
    method,
    route,
    reason: denial?.reason,
    detail: denial?.detail,
    token: typeof shown === 'object' ? verifiedFacts(shown) : undefined,
    claimed: typeof shown === 'string' ? claimedFacts(shown) : undefined,
  }
}

export function outageEvent(
  atMs: number,
  method: string,
  route: string | undefined,
  problem: unknown,
): DecisionEvent {
  return {
    kind: 'unable',
    atMs,
    method,
    route,
    reason: isProblem(problem) ? problem.code : 'internal',
    detail: problem instanceof Error ? problem.message : undefined,
    token: undefined,
    claimed: undefined,
  }
}

function verifiedFacts({ issuer, tokenId, keyId, clientId }: VerifiedToken): TokenFacts {
  return { issuer, tokenId, keyId, clientId }
}

function claimedFacts(token: string): TokenFacts {
  const { header, claims } = inspectToken(token)
  return {
    issuer: shortText(claims?.['iss']),
    tokenId: shortText(claims?.['jti']),
    keyId: shortText(header?.['kid']),
    clientId: shortText(claims?.['client_id']),
  }
}

/** Whoever writes a token must not write our log: no long texts, no control characters, nothing that is no text. */
function shortText(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > maxLength) return undefined
  for (let at = 0; at < value.length; at++)
    if (value.charCodeAt(at) < 0x20 || value.charCodeAt(at) === 0x7f) return undefined
  return value
}

const maxLength = 256
