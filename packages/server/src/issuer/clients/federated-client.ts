import { deny } from '@countersign/sdk/core'
import type { Denial } from '@countersign/sdk/core'
import type { VerifiedToken } from '@countersign/sdk/jwt'
import type { Client, FederatedAssertion } from '../../trust/trust.ts'

/** A client whose platform speaks for it. */
export type FederatedClient = { readonly client: Client; readonly assertion: FederatedAssertion }

/**
 * Finds the client that a platform's token speaks for: the one whose subject and conditions it meets, every one of them
 * exactly. The token is not used up: platforms hand out one for many uses (Kubernetes for an hour), and most have no
 * way to ask for another.
 *
 * @param candidates the clients that name the token's issuer.
 * @param clientId the `client_id` beside the token: needed where it could mean several clients.
 * @returns the client, why there is none, or `several`.
 */
export function findFederatedClient(
  candidates: readonly FederatedClient[],
  token: VerifiedToken,
  { clientId, bySpiffe, nowMs }: { clientId: string | undefined; bySpiffe: boolean; nowMs: number },
): FederatedClient | Denial | 'several' {
  const denial = checkToken(token, nowMs)
  if (denial !== undefined) return denial
  const found = candidates.filter(
    ({ client, assertion }) =>
      (clientId === undefined || client.id === clientId) &&
      (!bySpiffe || assertion.preset === 'spiffe') &&
      fitsSubjects(assertion, token),
  )
  if (found.length > 1) return 'several'
  return found[0] ?? deny('claim-refused', 'no client has this subject and these claims')
}

function checkToken(token: VerifiedToken, nowMs: number): Denial | undefined {
  const type = token.header['typ']
  if (type !== undefined && !types.has((type as string).toLowerCase())) {
    return deny('type-mismatch', 'typ is that of another kind of JWT')
  }
  // Platforms write a list even of one. With another in it, that other could pass the token on to us.
  if (token.audience.length !== 1) return deny('audience-mismatch', 'aud names others as well')
  if (token.expiresAtSeconds > nowMs / 1000 + maxLifeSeconds) {
    return deny('token-lifetime', `exp lies more than ${maxLifeSeconds} s ahead`)
  }
  return undefined
}

/** Whether a token speaks of one of these subjects, and meets every condition. */
export function fitsSubjects(
  { subjects, match }: Pick<FederatedAssertion, 'subjects' | 'match'>,
  { subject, claims }: VerifiedToken,
): boolean {
  // The reader of the trust file refuses a client with neither; here that would be everybody.
  if (subjects.length === 0 && match.length === 0) return false
  if (subjects.length > 0 && (subject === undefined || !subjects.includes(subject))) return false
  return match.every(({ path, value }) => valueAt(claims, path) === value)
}

function valueAt(claims: unknown, path: readonly string[]): unknown {
  let value = claims
  for (const name of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    if (!Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

/** What platforms write, or nothing (JWT-SVID §2.1: JWT or JOSE). */
const types = new Set(['jwt', 'jose', 'application/jwt'])

/** Tokens of the old kind, from a time when Kubernetes made them for a year or for ever, are not taken. */
const maxLifeSeconds = 24 * 3600
