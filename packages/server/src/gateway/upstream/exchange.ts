import { deny, isProblem, Problem, rememberShownToken } from '@countersign/sdk/core'
import type { Clock } from '@countersign/sdk/core'
import { createTokenSource } from '@countersign/sdk/client'
import { extractToken } from '@countersign/sdk/policy'
import type { TokenPlace } from '@countersign/sdk/policy'
import type { Service, Trust } from '../../trust/trust.ts'
import type { Outcome } from '../decision/check.ts'

/** Puts a token of our own issuer's in the place of the caller's, when the caller may. */
export type Exchange = (outcome: Outcome, rawHeaders: readonly string[]) => Promise<Outcome>

/**
 * Makes the exchange of one service (RFC 8693): the service gets a token that is for it, names the gateway's client as
 * the actor, is no wider and lives no longer than the caller's, and that no caller ever held. Those of a thousand callers
 * are kept until they end.
 *
 * @param tokenFrom where callers' tokens stand
 * @returns undefined for a service that wants none
 * @throws Problem `option-invalid` where the issuer cannot be asked safely
 */
export function compileExchange(
  service: Service,
  tokenFrom: readonly TokenPlace[],
  trust: Trust,
  clock: Clock,
): Exchange | undefined {
  const { token } = service
  if (token === undefined || typeof token === 'string' || trust.issuer === undefined) return undefined
  const source = createTokenSource({
    issuer: trust.issuer.url,
    clientId: token.client,
    ...(token.secret === undefined ? {} : { clientSecret: token.secret }),
    audience: service.audience,
    clock,
  })
  return async (outcome, rawHeaders) => {
    const { result, token: verified, dryRun } = outcome
    if ('reason' in result || verified === undefined || dryRun !== undefined) return outcome
    const text = extractToken(tokenFrom, rawHeaders)
    if (typeof text !== 'string') return outcome
    const subject = { expiresAtSeconds: verified.expiresAtSeconds }
    rememberShownToken(subject, text)
    try {
      const exchanged = await source.onBehalfOf(subject).token()
      return {
        ...outcome,
        result: { ...result, identity: `${result.identity}${authorization(exchanged.secret.revealText())}` },
      }
    } catch (error) {
      if (!isProblem(error) || error.code !== 'token-refused') throw error
      return { token: verified, result: deny('claim-refused', `not exchanged: ${error.message}`) }
    }
  }
}

/** RFC 6750 §2.1: what is no b64token could begin another header. */
function authorization(text: string): string {
  if (!/^[A-Za-z0-9._~+/-]+=*$/.test(text)) throw new Problem('internal', 'the issuer gave no token')
  return `Authorization: Bearer ${text}\r\n`
}
