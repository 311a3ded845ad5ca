/**
 * Why a request is refused. An expected outcome, so a value that is returned and never thrown.
 *
 * `reason` is stable and documented in docs/errors.md; `detail` is exact and meant for the operator's log, never
 * for the caller (policy/challenge.ts decides what a caller sees). Neither holds a token, a signature or a secret.
 */
export type Denial = {
  readonly reason: DenialReason
  readonly detail: string
}

export function deny(reason: DenialReason, detail: string): Denial {
  return { reason, detail }
}

/** Every reason there is. The wire form of each stands in one exhaustive table in policy/challenge.ts. */
export type DenialReason =
  // What is wrong with the request, before any token is read
  | 'request-malformed'
  | 'path-ambiguous'
  | 'service-unknown'
  | 'route-unknown'
  | 'method-unknown'
  // Where the token was looked for
  | 'token-missing'
  | 'token-repeated'
  | 'token-places'
  | 'credentials-malformed'
  | 'token-oversize'
  // The token itself
  | 'token-malformed'
  | 'algorithm-mismatch'
  | 'critical-unknown'
  | 'type-mismatch'
  | 'key-unknown'
  | 'signature-invalid'
  | 'claim-missing'
  | 'claim-malformed'
  | 'issuer-mismatch'
  | 'audience-mismatch'
  | 'token-expired'
  | 'token-premature'
  | 'token-lifetime'
  | 'token-revoked'
  | 'claims-mismatch'
  | 'proof-required'
  // The proof that its sender holds the key it is bound to
  | 'proof-missing'
  | 'proof-invalid'
  | 'proof-replayed'
  | 'nonce-required'
  | 'confirmation-missing'
  | 'confirmation-mismatch'
  // What the caller may do
  | 'scope-missing'
  | 'role-missing'
  | 'claim-refused'
  | 'rate-exceeded'
