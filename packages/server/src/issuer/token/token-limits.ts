import { addressKey } from '../../net/address.ts'
import { createTokenBuckets } from '../../token-bucket.ts'
import type { TokenBuckets } from '../../token-bucket.ts'
import type { IssuerSettings, RateLimit } from '../../trust/trust.ts'
import { refuse } from '../http/refusal.ts'
import type { Refusal } from '../http/refusal.ts'

/** What is too much for the token endpoint, or for another one that writes. */
export type TokenLimits = {
  /** Asked before anything is read. @returns why not, or nothing */
  forAddress(address: string, nowMs: number): Refusal | undefined
  /** Asked once the client has proven who it is, so that nobody can use up what is another's. */
  forClient(clientId: string, nowMs: number): Refusal | undefined
}

/**
 * The limits of `issuer.limits`: a token bucket for each client, and one for each address (of IPv6: for each /64). Both in
 * bounded memory, and by the process: of three replicas, each lets that much through.
 *
 * @example
 * const limits = createTokenLimits({ client: { perSecond: 10, burst: 20 } })
 * const refusal = limits.forClient('orders', nowMs)
 */
export function createTokenLimits({
  client,
  address,
}: NonNullable<IssuerSettings['limits']> = {}): TokenLimits {
  const clients = bucketsOf(client)
  const addresses = bucketsOf(address)
  return {
    forAddress: (from, nowMs) =>
      addresses === undefined
        ? undefined
        : refuseFor(addresses.take(addressKey(from), nowMs), 'this address'),
    forClient: (id, nowMs) =>
      clients === undefined ? undefined : refuseFor(clients.take(id, nowMs), 'this client'),
  }
}

function bucketsOf(limit: RateLimit | undefined): TokenBuckets | undefined {
  return limit === undefined ? undefined : createTokenBuckets(limit)
}

function refuseFor(waitMs: number, who: string): Refusal | undefined {
  if (waitMs === 0) return undefined
  const retryAfterSeconds = Math.ceil(waitMs / 1000)
  return refuse(
    'temporarily_unavailable',
    `${who} asks too often: keep each token until it expires, and try again in ${retryAfterSeconds} s`,
    { status: 429, retryAfterSeconds },
  )
}
