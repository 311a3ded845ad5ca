import type { Clock } from '../core/clock.ts'
import { createKeySet } from '../jwt/key-set.ts'
import type { ProofReplays } from '../jwt/proof-replays.ts'
import { createVerifier } from '../jwt/verifier.ts'
import type { VerifiedToken } from '../jwt/verified-token.ts'
import { dangerouslyAnyType } from '../jwt/verifier-options.ts'
import type { TrustedIssuerOptions } from '../jwt/verifier-options.ts'
import type { ReadClient } from './test-client.ts'

/** Whether an assertion speaks for one client. @throws Problem `keys-unavailable` */
export type AssertionCheck = (assertion: string) => Promise<boolean>

export type AssertionOptions = {
  /** The one whom an assertion must be for. */
  readonly issuer: string
  readonly clock: Clock
  /** Where the ids of assertions are remembered that clients sign themselves: each counts once. */
  readonly replays: ProofReplays
}

/**
 * Checks the assertions of a client as the real issuer does: those it signs itself (RFC 7523 §3), or those its platform
 * signs for it, which are good as often as they are shown.
 *
 * @returns undefined for a client that is known by something else.
 */
export function createAssertionCheck(
  id: string,
  client: ReadClient,
  options: AssertionOptions,
): AssertionCheck | undefined {
  const { publicKey, federated } = client
  if (publicKey !== undefined) {
    const keySet = createKeySet([publicKey])
    return checkOf({ issuer: id, keySet, requiredClaims: ['sub', 'jti'] }, options, async (token) => {
      if (!isOwn(token, id, options.clock() / 1000)) return false
      const untilMs = (token.expiresAtSeconds + toleranceSeconds) * 1000
      return options.replays.putOnce(`assertion ${id}`, token.tokenId!, untilMs, options.clock())
    })
  }
  if (federated === undefined) return undefined
  const { issuer: platform, subject } = federated
  const trusted = { issuer: platform.url, keySet: platform.keySet(), requiredClaims: ['sub'] }
  return checkOf(trusted, options, async (token) => {
    return token.subject === subject && isPlatforms(token, options.clock() / 1000)
  })
}

function checkOf(
  trusted: Pick<TrustedIssuerOptions, 'issuer' | 'keySet' | 'requiredClaims'>,
  { issuer: audience, clock }: AssertionOptions,
  speaksForIt: (token: VerifiedToken) => Promise<boolean>,
): AssertionCheck {
  const verifier = createVerifier({
    ...trusted,
    audience,
    // Looked at below: it may be absent, which the verifier has no word for.
    types: dangerouslyAnyType,
    clockToleranceSeconds: toleranceSeconds,
    cache: false,
    clock,
  })
  return async (assertion) => {
    const verification = await verifier.verify(assertion)
    return verification.kind === 'verified' && speaksForIt(verification.token)
  }
}

function isOwn(token: VerifiedToken, id: string, nowSeconds: number): boolean {
  return (
    hasType(token, ownTypes) &&
    // A list could name others, who might pass it on.
    typeof token.claims['aud'] === 'string' &&
    token.subject === id &&
    token.tokenId !== '' &&
    token.expiresAtSeconds <= nowSeconds + maxLifeSeconds + toleranceSeconds
  )
}

function isPlatforms(token: VerifiedToken, nowSeconds: number): boolean {
  return (
    hasType(token, platformTypes) &&
    token.audience.length === 1 &&
    token.expiresAtSeconds <= nowSeconds + maxPlatformLifeSeconds
  )
}

/** Every other type was made for something else (RFC 8725 §3.11); an access token is no assertion. */
function hasType({ header }: VerifiedToken, types: readonly string[]): boolean {
  const type = header['typ']
  return type === undefined || types.includes(String(type).toLowerCase())
}

const ownTypes = [
  'jwt',
  'application/jwt',
  'client-authentication+jwt',
  'application/client-authentication+jwt',
]
/** JWT-SVID §2.1. */
const platformTypes = ['jwt', 'jose', 'application/jwt']
const toleranceSeconds = 15
const maxLifeSeconds = 3600
/** Platforms hand out one for many uses, but none for a year. */
const maxPlatformLifeSeconds = 24 * 3600
