import { systemClock } from '@countersign/sdk/core'
import type { Denial } from '@countersign/sdk/core'
import { createVerifier } from '@countersign/sdk/jwt'
import type { TrustedIssuerOptions, VerifiedToken } from '@countersign/sdk/jwt'
import { readPrincipal } from '@countersign/sdk/policy'
import type { Principal } from '@countersign/sdk/policy'
import { KeySets } from '../gateway/decision/key-sets.ts'
import { silentLog } from '../log.ts'
import type { Service, Trust } from '../trust/trust.ts'

export type ServiceVerification =
  | { readonly kind: 'verified'; readonly token: VerifiedToken; readonly principal: Principal }
  | { readonly kind: 'denied'; readonly denial: Denial }

/**
 * Verifies a token exactly as the gateway does for a service.
 *
 * @throws Problem `keys-unavailable` when an issuer's keys cannot be fetched
 */
export async function verifyForService(
  token: string,
  service: Service,
  trust: Trust,
): Promise<ServiceVerification> {
  const issuers = expectedIssuers(service, trust)
  if (issuers.length === 0) {
    return {
      kind: 'denied',
      denial: { reason: 'issuer-mismatch', detail: `${service.name} accepts nobody's tokens` },
    }
  }
  const verification = await createVerifier({ issuers, cache: false }).verify(token)
  if (verification.kind === 'denied') return verification
  const { issuer } = verification.token
  const roles = [...trust.trusted.values()].find((trusted) => trusted.issuer === issuer)?.roles
  const principal = readPrincipal(verification.token, roles === undefined ? {} : { roles })
  if ('reason' in principal) return { kind: 'denied', denial: principal }
  return { kind: 'verified', token: verification.token, principal }
}

/** What the gateway's verifier expects of each issuer the service accepts. */
export function expectedIssuers(service: Service, trust: Trust): TrustedIssuerOptions[] {
  return new KeySets(systemClock, silentLog).issuersOf(service, trust, undefined)
}
