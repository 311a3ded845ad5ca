import type { Denial } from '@countersign/sdk/core'

/**
 * Why a token request is refused: an expected outcome, so a value that is returned and never thrown. `error` and
 * `description` go to the caller as they are (RFC 6749 §5.2), so neither ever quotes a secret.
 */
export type Refusal = {
  readonly kind: 'refused'
  readonly error: TokenErrorCode
  readonly description: string
  readonly status: number
  /** Whether the answer names the authentication scheme that would have been accepted (401 only). */
  readonly challenge: boolean
  readonly retryAfterSeconds: number | undefined
  /** More headers, names and values in turn. */
  readonly headers?: readonly string[]
  /** What exactly is wrong with a token or an assertion; for the operator, never for the caller. */
  readonly denial?: Denial
}

export type TokenErrorCode =
  // RFC 6749 §5.2
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  // RFC 8707 §2
  | 'invalid_target'
  // RFC 9449 §5, §8
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  // RFC 6749 §4.1.2.1 has these two for what is not the client's fault; §5.2 has no word of its own for it.
  | 'temporarily_unavailable'
  | 'server_error'

/**
 * A refusal in the words of RFC 6749 §5.2.
 *
 * @param description for the person who reads the client's log: what is wrong and what to do, never a secret.
 *
 * @example
 * return refuse('invalid_scope', 'this client may not ask for: invoices:write')
 */
export function refuse(error: TokenErrorCode, description: string, options: RefusalOptions = {}): Refusal {
  return {
    kind: 'refused',
    error,
    description: describable(description),
    status: options.status ?? (options.challenge === true ? 401 : 400),
    challenge: options.challenge ?? false,
    retryAfterSeconds: options.retryAfterSeconds,
  }
}

export type RefusalOptions = {
  readonly status?: 413 | 429 | 500 | 503
  readonly challenge?: boolean
  readonly retryAfterSeconds?: number
}

export function isRefusal(value: object): value is Refusal {
  return (value as Partial<Refusal>).kind === 'refused'
}

/** RFC 6749 §5.2 allows %x20-21, %x23-5B and %x5D-7E in a description; client libraries check it. */
function describable(text: string): string {
  let allowed = ''
  for (const character of text) {
    if (character === '"') allowed += "'"
    else allowed += character >= ' ' && character <= '~' && character !== '\\' ? character : '?'
  }
  return allowed
}
