/**
 * A failure that stops us from deciding: keys that cannot be reached, a store that is down, a wrong option.
 *
 * A bad token is never a Problem; it is a returned {@link Denial}. So a 401 can never be confused with a 503.
 * `code` is stable and documented in docs/errors.md; `next` says what to do about it. No message, cause or field
 * of a Problem may hold a token or a secret.
 *
 * @example
 * throw new Problem('keys-unavailable', 'no answer from https://login.acme.example/jwks within 5000 ms', {
 *   next: 'check that the issuer is reachable from here',
 *   retryAfterSeconds: 5,
 * })
 */
export class Problem extends Error {
  override readonly name = 'Problem'
  /** Stable and documented: what kind of failure this is. */
  readonly code: string
  /** What to do next, one sentence, for a person. */
  readonly next: string | undefined
  /** When trying again makes sense, in seconds from now; set on failures that pass. */
  readonly retryAfterSeconds: number | undefined

  constructor(code: string, message: string, options: ProblemOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.next = options.next
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

export type ProblemOptions = {
  readonly next?: string
  readonly cause?: unknown
  readonly retryAfterSeconds?: number
}

/** True for a {@link Problem}, also one from a second copy of this package in the same process. */
export function isProblem(value: unknown): value is Problem {
  return value instanceof Error && value.name === 'Problem' && typeof (value as Problem).code === 'string'
}
