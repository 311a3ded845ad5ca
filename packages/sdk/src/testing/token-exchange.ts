import { deny } from '../core/denial.ts'
import type { Denial } from '../core/denial.ts'
import type { KeySet } from '../jwt/key-set.ts'
import type { Verifier } from '../jwt/verifier.ts'
import { createVerifier } from '../jwt/verifier.ts'
import type { TrustedIssuerOptions } from '../jwt/verifier-options.ts'
import type { VerifiedToken } from '../jwt/verified-token.ts'
import { lineageOf, mayAct, nestActors } from '../policy/delegation.ts'
import type { ActorClaim } from '../policy/delegation.ts'
import { readPrincipal } from '../policy/principal.ts'
import type { TestIssuer } from './memory-issuer.ts'
import type { ReadClient } from './test-client.ts'

/** Whom an exchanged token is about, and what it may say at most. */
export type ShownSubject = {
  readonly name: string
  /** The `act` of the new token: the client, with those who acted before it. */
  readonly act: ActorClaim
  readonly scopes: ReadonlySet<string>
  readonly roles: ReadonlySet<string>
  readonly secondsLeft: number
  /** The key that the client must prove to have, since the shown token is bound to it. */
  readonly boundTo: string | undefined
  /** Carried on: `may_act`, and which tokens this one descends from. */
  readonly claims: Readonly<Record<string, unknown>>
}

/** Reads the tokens that clients exchange; undefined for a client that may exchange nothing. */
export type ShownSubjects = (clientId: string, token: string) => ShownSubject | Denial | undefined

/**
 * What a client may exchange is what the real issuer would let it: a token of this issuer that was sent to a service for
 * which the client stands. One that was sent to somebody else is refused, whoever has got hold of it.
 *
 * @param keySet the issuer's keys themselves, whatever its endpoints are made to answer.
 */
export function createShownSubjects(
  issuer: TestIssuer,
  clients: ReadonlyMap<string, ReadClient>,
  keySet: KeySet,
): ShownSubjects {
  const { url, clock, revocations } = issuer
  const verifiers = new Map<string, Verifier>()
  for (const [id, { mayExchange: audience }] of clients) {
    if (Array.isArray(audience) && audience.length === 0) continue
    const trusted: TrustedIssuerOptions = { issuer: url, audience, keySet }
    // Whether the client has the key is checked where its new token is bound.
    verifiers.set(id, createVerifier({ ...trusted, revocations, clock, confirmation: 'checked-by-caller' }))
  }
  return (clientId, text) => {
    // The keys and revocations are at hand, so there is nothing to wait for.
    const verification = verifiers.get(clientId)?.verifyNow(text)
    if (verification === undefined) return undefined
    if (verification.kind === 'denied') return verification.denial
    const { mayExchangeBound } = clients.get(clientId)!
    return readSubject(verification.token, { clientId, mayExchangeBound, issuer })
  }
}

function readSubject(
  token: VerifiedToken,
  by: { readonly clientId: string; readonly mayExchangeBound: boolean; readonly issuer: TestIssuer },
): ShownSubject | Denial {
  const principal = readPrincipal(token)
  if ('reason' in principal) return principal
  const { subject: name, scopes, roles, expiresAtSeconds } = principal
  if (name === undefined || name === '') return deny('claim-missing', 'the token has no sub')
  const secondsLeft = Math.floor(expiresAtSeconds - by.issuer.clock() / 1000)
  // The verifier's tolerance is for services; a token made from a dead one would be born dead.
  if (secondsLeft < 1) return deny('token-expired', 'exp has passed, or passes now')
  const { claims } = token
  const confirmation = by.mayExchangeBound ? undefined : token.confirmation
  const boundTo = confirmation?.keyThumbprint
  // No certificate is ever seen here.
  const isProvable = boundTo !== undefined && confirmation?.certificateThumbprint === undefined
  if (confirmation !== undefined && !isProvable) {
    return deny('proof-required', 'it is bound in a way that cannot be proven here')
  }
  const actor = { sub: by.clientId, iss: by.issuer.url }
  if (!mayAct(claims['may_act'], actor)) return deny('claim-refused', 'may_act names somebody else')
  const act = nestActors(actor, principal.actor)
  if (act === undefined) return deny('claim-refused', 'its chain of actors is too long')
  return { name, act, scopes, roles, secondsLeft, boundTo, claims: carriedOn(token) }
}

/** Whoever revokes a token revokes what descends from it. */
export function carriedOn({ claims, issuer, tokenId }: VerifiedToken): Readonly<Record<string, unknown>> {
  const lineage = lineageOf({ issuer, tokenId, claims, own: true })
  return {
    ...(claims['may_act'] === undefined ? {} : { may_act: claims['may_act'] }),
    ...(lineage.length === 0 ? {} : { lineage }),
  }
}
