import { systemClock } from '@countersign/sdk/core'
import type { Denial } from '@countersign/sdk/core'
import { createDpopChecker, createVerifier } from '@countersign/sdk/jwt'
import type { TrustedIssuerOptions, VerifiedToken } from '@countersign/sdk/jwt'
import { readPrincipal } from '@countersign/sdk/policy'
import type { Principal } from '@countersign/sdk/policy'
import { KeySets } from '../gateway/decision/key-sets.ts'
import { createSenderCheck } from '../gateway/decision/sender.ts'
import { silentLog } from '../log.ts'
import type { Service, Trust } from '../trust/trust.ts'

export type ServiceVerification =
  | {
      readonly kind: 'verified'
      readonly token: VerifiedToken
      readonly principal: Principal
      /** Counts only from the client it is bound to, which is not asked for here. */
      readonly isBound: boolean
    }
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
  const sender = createSenderCheck(service, trust, createDpopChecker())
  const confirmation = sender === undefined ? 'refused' : 'checked-by-caller'
  const verification = await createVerifier({ issuers, cache: false, confirmation }).verify(token)
  if (verification.kind === 'denied') return verification
  const nowMs = systemClock()
  const checked = await sender?.check(
    { method: 'GET', target: '/', rawHeaders: [] },
    verification.token,
    token,
    nowMs,
  )
  const { keyThumbprint, certificateThumbprint } = verification.token.confirmation ?? {}
  const confirmed = keyThumbprint ?? certificateThumbprint
  // That there is no proof says nothing; that the token has nothing to be proven does.
  if (
    checked?.kind === 'denied' &&
    (confirmed === undefined || checked.denial.reason === 'confirmation-missing')
  )
    return checked
  const { issuer } = verification.token
  const roles = [...trust.trusted.values()].find((trusted) => trusted.issuer === issuer)?.roles
  const principal = readPrincipal(verification.token, roles === undefined ? {} : { roles })
  if ('reason' in principal) return { kind: 'denied', denial: principal }
  const isBound = verification.token.confirmation !== undefined
  return { kind: 'verified', token: verification.token, principal, isBound }
}

/** What the gateway's verifier expects of each issuer the service accepts. */
export function expectedIssuers(service: Service, trust: Trust): TrustedIssuerOptions[] {
  return new KeySets(systemClock, silentLog).issuersOf(service, trust, undefined)
}
