import type { Clock, Denial } from '@countersign/sdk/core'
import { deny } from '@countersign/sdk/core'
import { createVerifier } from '@countersign/sdk/jwt'
import type { KeySet, Revocations, TrustedIssuerOptions, VerifiedToken, Verifier } from '@countersign/sdk/jwt'
import { readPrincipal } from '@countersign/sdk/policy'
import type { Principal } from '@countersign/sdk/policy'
import type { Client, Service, Trust } from '../../trust/trust.ts'
import type { RemoteKeys } from '../clients/remote-keys.ts'

/** A token somebody showed, and who it speaks of. */
export type ShownToken = {
  readonly kind: 'shown'
  readonly token: VerifiedToken
  readonly principal: Principal & { readonly subject: string }
  /** Whether our own issuer made it. */
  readonly own: boolean
}

/** Reads the tokens one client shows; both reject with a Problem `keys-unavailable` when it cannot be told. */
export type ShownTokens = {
  subject(token: string, nowMs: number): Promise<ShownToken | Denial>
  actor(token: string, nowMs: number): Promise<ShownToken | Denial>
}

export type OwnTokens = {
  readonly issuer: string
  readonly keySet: KeySet
  /** Nothing is exchanged for a token that is revoked. */
  readonly revocations: Revocations
}

/**
 * What a client may show is exactly what the services it stands for would accept: our own tokens for their audience, and
 * those of the trusted issuers they accept. A token that was sent to somebody else cannot be exchanged here.
 *
 * @returns undefined for a client that may exchange nothing.
 */
export function createShownTokens(
  client: Client,
  { trusted, services }: Pick<Trust, 'trusted' | 'services'>,
  { own, remoteKeys, clock }: { own: OwnTokens; remoteKeys: RemoteKeys; clock: Clock },
): ShownTokens | undefined {
  const standsFor = (client.mayExchange ?? []).flatMap((name) => services.get(name) ?? [])
  const ownAudiences = standsFor.filter(({ acceptsOwn }) => acceptsOwn).map(({ audience }) => audience)
  const issuers: TrustedIssuerOptions[] = []
  const roles = new Map<string, string>()
  const { issuer: ownIssuer, keySet, revocations } = own
  if (ownAudiences.length > 0) issuers.push({ issuer: ownIssuer, keySet, audience: ownAudiences })
  for (const name of new Set(standsFor.flatMap(({ accepts }) => accepts))) {
    const entry = trusted.get(name)
    if (entry === undefined) continue
    const { issuer, audience, algorithms, type } = entry
    issuers.push({ issuer, audience, algorithms, types: [type], keySet: remoteKeys.ofTrusted(entry) })
    if (entry.roles !== undefined) roles.set(issuer, entry.roles)
  }
  if (issuers.length === 0) return undefined

  const shared = { cache: { entries: 1000 }, revocations, clock }
  // Whether the client is the one it is bound to is checked where the new token is bound.
  const subjects = createVerifier({ issuers, confirmation: 'checked-by-caller', ...shared })
  // A token the client got for itself, for whichever service: it only says who the client is.
  const audiences = audiencesOf(services)
  const actors = createVerifier({ issuer: ownIssuer, keySet, audience: audiences, ...shared })
  const read = async (verifier: Verifier, text: string, nowMs: number): Promise<ShownToken | Denial> => {
    // What another replica has revoked a second ago counts.
    await revocations.load(nowMs)
    const outcome = verifier.verifyNow(text, nowMs) ?? (await verifier.verify(text))
    if (outcome.kind === 'denied') return outcome.denial
    const { token } = outcome
    const ended = endOf(token, nowMs)
    if (ended !== undefined) return ended
    const pointer = roles.get(token.issuer)
    const principal = readPrincipal(token, pointer === undefined ? {} : { roles: pointer })
    if ('reason' in principal) return principal
    const { subject } = principal
    if (subject === undefined || subject === '') return deny('claim-missing', 'the token has no sub')
    return { kind: 'shown', token, principal: { ...principal, subject }, own: token.issuer === own.issuer }
  }
  return {
    subject: (text, nowMs) => read(subjects, text, nowMs),
    actor: (text, nowMs) => read(actors, text, nowMs),
  }
}

function audiencesOf(services: ReadonlyMap<string, Service>): readonly string[] {
  return [...new Set([...services.values()].map(({ audience }) => audience))]
}

/** The verifier's tolerance is for services; a token that is made from a dead one would be born dead. */
export function endOf({ expiresAtSeconds }: VerifiedToken, nowMs: number): Denial | undefined {
  return expiresAtSeconds * 1000 < nowMs + 1000
    ? deny('token-expired', 'exp has passed, or passes now')
    : undefined
}
