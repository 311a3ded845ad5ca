import { isAlgorithm } from './algorithms.ts'
import type { Algorithm } from './algorithms.ts'
import type { ClaimRules } from './claims.ts'
import type { Clock } from '../core/clock.ts'
import { mediaType } from './compact.ts'
import type { KeySet } from './key-set.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import type { Revocations } from './revocations.ts'

/** Accepts a token for anybody: one stolen from any other service of the issuer then opens this one too. */
export const dangerouslyAnyAudience: unique symbol = Symbol('dangerouslyAnyAudience')

/** Accepts tokens of every kind: an identity token or a logout token then passes for an access token (RFC 8725 §3.11). */
export const dangerouslyAnyType: unique symbol = Symbol('dangerouslyAnyType')

/** What is expected of one issuer's tokens. */
export type TrustedIssuerOptions = {
  /** The exact `iss`. */
  readonly issuer: string
  /** The exact `aud`; of several, any one. */
  readonly audience: string | readonly string[] | typeof dangerouslyAnyAudience
  readonly keySet: KeySet
  /** Refuses keys of other algorithms, even if the key set holds some. */
  readonly algorithms?: readonly Algorithm[]
  /** Accepted `typ`, with or without `application/`; `['at+jwt']` (RFC 9068 §2.1) unless given. */
  readonly types?: readonly string[] | typeof dangerouslyAnyType
  /** Claims that must be there beside `iss`, `aud` and `exp`. */
  readonly requiredClaims?: readonly string[]
}

export type SharedVerifierOptions = {
  /** How far clocks may differ, seconds, 0 to 300; 5 unless given. */
  readonly clockToleranceSeconds?: number
  /** Refuses tokens that live longer, seconds from `iat` to `exp`. */
  readonly maxLifetimeSeconds?: number
  /** Accepts tokens without `exp`, which never end. */
  readonly dangerouslyAllowMissingExpiry?: boolean
  /** How many verified tokens are remembered; `false`: none. 10,000 unless given. */
  readonly cache?: { readonly entries: number } | false
  readonly revocations?: Revocations
  /**
   * What to do with a token that is bound to a key or a certificate (`cnf`, RFC 7800). `'refused'` unless given.
   * `'checked-by-caller'` lets it through: whoever calls must then check `token.confirmation` itself, as `createGuard`
   * with `senderConstraint` does, or a stolen one is as good as any.
   */
  readonly confirmation?: ConfirmationRule
  readonly clock?: Clock
}

export type ConfirmationRule = 'refused' | 'checked-by-caller'

/** Options of `createVerifier`: one issuer, or several. */
export type VerifierOptions = SharedVerifierOptions &
  (TrustedIssuerOptions | { readonly issuers: readonly TrustedIssuerOptions[] })

/** One issuer's expectations, ready for the path of a request. */
export type IssuerRules = ClaimRules & {
  readonly keySet: KeySet
  readonly algorithms: ReadonlySet<Algorithm> | undefined
  readonly types: ReadonlySet<string> | undefined
}

export function compileOptions(options: VerifierOptions): {
  readonly issuers: ReadonlyMap<string, IssuerRules>
  readonly cacheEntries: number
  readonly confirmation: ConfirmationRule
} {
  refuseUnknownOptions('createVerifier', options, [...sharedNames, ...issuerNames, 'issuers'])
  const several = 'issuers' in options
  if (several) refuseUnknownOptions('createVerifier: with issuers', options, [...sharedNames, 'issuers'])
  const toleranceSeconds = options.clockToleranceSeconds ?? 5
  // A text, as settings are before they are read, would be appended to exp instead of added.
  if (!(typeof toleranceSeconds === 'number' && toleranceSeconds >= 0 && toleranceSeconds <= 300)) {
    throw invalid('clockToleranceSeconds must be a number, 0 to 300 seconds')
  }
  const { maxLifetimeSeconds, revocations, clock } = options
  if (maxLifetimeSeconds !== undefined && !(maxLifetimeSeconds > 0 && Number.isFinite(maxLifetimeSeconds))) {
    throw invalid('maxLifetimeSeconds must be a positive number of seconds')
  }
  if (revocations !== undefined) checkRevocations(revocations)
  if (clock !== undefined && typeof clock !== 'function') throw invalid('clock must be a function')
  const { confirmation = 'refused' } = options
  if (confirmation !== 'refused' && confirmation !== 'checked-by-caller') {
    throw invalid("confirmation must be 'refused' or 'checked-by-caller'")
  }
  const cacheEntries = readCache(options.cache)
  const listed: readonly TrustedIssuerOptions[] = several ? options.issuers : [options]
  if (!Array.isArray(listed) || listed.length === 0) throw invalid('issuers must name at least one issuer')
  const issuers = new Map<string, IssuerRules>()
  for (const one of listed) {
    if (typeof one !== 'object' || one === null) throw invalid('issuers must be a list of objects')
    if (several) refuseUnknownOptions('createVerifier: issuers', one, issuerNames)
    const { issuer } = one
    if (typeof issuer !== 'string' || issuer === '')
      throw invalid('issuer must be a string, exactly as in iss')
    if (issuers.has(issuer)) throw invalid(`issuer ${JSON.stringify(issuer)} is listed twice`)
    issuers.set(issuer, {
      issuer,
      keySet: readKeySet(one.keySet, issuer),
      audience: readAudience(one.audience),
      algorithms: readAlgorithms(one.algorithms),
      types: readTypes(one.types),
      requiredClaims: readNames('requiredClaims', one.requiredClaims ?? []),
      toleranceSeconds,
      maxLifetimeSeconds,
      expiryRequired: options.dangerouslyAllowMissingExpiry !== true,
      confirmationIsChecked: confirmation === 'checked-by-caller',
    })
  }
  return { issuers, cacheEntries, confirmation }
}

/** By what is asked of it, not by its class: a service without revocations then need not have that class in its bundle. */
function checkRevocations(revocations: Partial<Revocations> | null): void {
  const has = (name: 'refuses' | 'usable' | 'load'): boolean => typeof revocations?.[name] === 'function'
  if (typeof revocations?.generation === 'number' && has('refuses') && has('usable') && has('load')) return
  throw invalid('revocations must come from createRevocations')
}

function readCache(cache: SharedVerifierOptions['cache']): number {
  if (cache === false) return 0
  if (cache === undefined) return 10_000
  if (typeof cache !== 'object' || cache === null) throw invalid('cache must be { entries } or false')
  refuseUnknownOptions('createVerifier: cache', cache, ['entries'])
  if (Number.isSafeInteger(cache.entries) && cache.entries >= 0) return cache.entries
  throw invalid('cache.entries must be a whole number')
}

function readKeySet(keySet: unknown, issuer: string): KeySet {
  const candidate = keySet as (KeySet & { readonly issuer?: unknown }) | null | undefined
  if (typeof candidate?.find !== 'function' || typeof candidate.load !== 'function') {
    throw invalid('keySet must come from createKeySet or createRemoteKeySet')
  }
  // A remote set knows whose keys it holds; another issuer's tokens must never be verified by them.
  if (candidate.issuer !== undefined && candidate.issuer !== issuer) {
    throw invalid(`keySet holds the keys of another issuer than ${JSON.stringify(issuer)}`)
  }
  return candidate
}

function readAudience(audience: TrustedIssuerOptions['audience']): readonly string[] | undefined {
  if (audience === dangerouslyAnyAudience) return undefined
  const listed = typeof audience === 'string' ? [audience] : audience
  // An empty list would be an expectation that nothing meets, a forgotten one an expectation of nothing.
  if (!Array.isArray(listed) || listed.length === 0) {
    throw invalid(
      'audience must be a string or a list of strings; none at all is spelled dangerouslyAnyAudience',
    )
  }
  return readNames('audience', listed)
}

function readAlgorithms(algorithms: readonly Algorithm[] | undefined): ReadonlySet<Algorithm> | undefined {
  if (algorithms === undefined) return undefined
  if (!Array.isArray(algorithms) || algorithms.length === 0 || !algorithms.every(isAlgorithm)) {
    throw invalid('algorithms must be a list of known algorithms')
  }
  return new Set(algorithms)
}

/** Accepted values of `typ`, ready to be compared; undefined: any. @throws Problem `option-invalid` */
export function readTypes(types: TrustedIssuerOptions['types']): ReadonlySet<string> | undefined {
  if (types === dangerouslyAnyType) return undefined
  const names = readNames('types', types ?? ['at+jwt'])
  if (names.length === 0) throw invalid('types must name at least one; any is spelled dangerouslyAnyType')
  return new Set(names.map(mediaType))
}

function readNames(option: string, names: readonly string[]): readonly string[] {
  // A regular expression here would be a pattern that an attacker may fit: only exact strings are compared.
  if (Array.isArray(names) && names.every((name) => typeof name === 'string' && name !== '')) {
    return Object.freeze([...names])
  }
  throw invalid(`${option} must be a list of strings, none of them empty`)
}

function invalid(message: string): Problem {
  return new Problem('option-invalid', `createVerifier: ${message}`)
}

const issuerNames = ['issuer', 'audience', 'keySet', 'algorithms', 'types', 'requiredClaims']
const sharedNames = [
  'clockToleranceSeconds',
  'maxLifetimeSeconds',
  'dangerouslyAllowMissingExpiry',
  'cache',
  'revocations',
  'confirmation',
  'clock',
]
