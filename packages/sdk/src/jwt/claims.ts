import { deny } from '../core/denial.ts'
import type { Denial } from '../core/denial.ts'
import type { StrictJson } from '../core/json.ts'

/** What a token's claims are checked against; all of it fixed when the verifier is made. */
export type ClaimRules = {
  readonly issuer: string
  /** Any one of these must be in `aud`; undefined: any audience. */
  readonly audience: readonly string[] | undefined
  readonly requiredClaims: readonly string[]
  readonly toleranceSeconds: number
  readonly maxLifetimeSeconds: number | undefined
  readonly expiryRequired: boolean
  /** Whether the caller checks `cnf` (RFC 7800 §3.1) itself; otherwise a token with one is refused. */
  readonly confirmationIsChecked?: boolean
}

/** The largest NumericDate that is taken for a date: the last second of the year 9999 (RFC 3339 §1). */
export const maxNumericDate = 253_402_300_799

/**
 * Checks the claims of a token whose signature is good (RFC 7519 §4.1, RFC 9068 §4), at `nowMs`.
 *
 * A claim of the wrong type is never taken for an absent one: it refuses the token.
 */
export function checkClaims(claims: StrictJson, rules: ClaimRules, nowMs: number): Denial | undefined {
  if (claims['iss'] !== rules.issuer) return deny('issuer-mismatch', 'iss is not the expected issuer')
  return (
    checkNames(claims) ??
    checkAudience(claims['aud'], rules.audience) ??
    checkStrings(claims) ??
    checkTimes(claims, rules, nowMs) ??
    checkRequired(claims, rules.requiredClaims) ??
    checkConfirmation(claims['cnf'], rules.confirmationIsChecked === true)
  )
}

/**
 * A claim that differs from a known one only in case is read as that one by verifiers in other languages, so two
 * services could see two identities in one token. Go matches names by Unicode's folding, where `ſ` is an `s` as well.
 */
function checkNames(claims: StrictJson): Denial | undefined {
  for (const name in claims) {
    if (!isFolded(name)) return checkFoldedNames(claims)
  }
  return undefined
}

/** The slow form, for tokens with such a name: claims of the issuer's own making are not to be mistaken either. */
function checkFoldedNames(claims: StrictJson): Denial | undefined {
  const seen = new Set<string>()
  for (const name in claims) {
    const folded = name.toUpperCase().toLowerCase()
    if (folded !== name && knownClaims.has(folded)) {
      return deny('claim-malformed', `a claim is spelled like "${folded}" but for its case`)
    }
    if (seen.has(folded)) return deny('claim-malformed', 'two claims differ in nothing but case')
    seen.add(folded)
  }
  return undefined
}

/** True when no folding can change the name: ASCII without upper case, as nearly every name is. */
function isFolded(name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index)
    if ((code >= 0x41 && code <= 0x5a) || code > 0x7f) return false
  }
  return true
}

function checkAudience(aud: unknown, expected: readonly string[] | undefined): Denial | undefined {
  if (aud === undefined) {
    return expected === undefined ? undefined : deny('audience-mismatch', 'the token has no aud')
  }
  if (typeof aud === 'string') {
    if (expected === undefined || expected.includes(aud)) return undefined
    return deny('audience-mismatch', 'aud is another audience')
  }
  if (!Array.isArray(aud) || aud.length === 0 || !aud.every((one) => typeof one === 'string')) {
    return deny('audience-mismatch', 'aud is not a string or a list of strings')
  }
  if (expected === undefined || expected.some((one) => aud.includes(one))) return undefined
  return deny('audience-mismatch', `none of the ${aud.length} audiences in aud is expected`)
}

function checkStrings(claims: StrictJson): Denial | undefined {
  if (!isText(claims['sub'])) return wrongType('sub')
  if (!isText(claims['client_id'])) return wrongType('client_id')
  if (!isText(claims['azp'])) return wrongType('azp')
  if (!isText(claims['jti'])) return wrongType('jti')
  if (!isText(claims['scope']) && !isTextList(claims['scope'])) return wrongType('scope')
  if (!isText(claims['scp']) && !isTextList(claims['scp'])) return wrongType('scp')
  return undefined
}

function checkTimes(claims: StrictJson, rules: ClaimRules, nowMs: number): Denial | undefined {
  const { exp, nbf, iat } = claims
  if (exp === undefined) {
    if (rules.expiryRequired) return deny('claim-missing', 'the token has no exp')
  } else if (!isNumericDate(exp)) return wrongType('exp')
  if (nbf !== undefined && !isNumericDate(nbf)) return wrongType('nbf')
  if (iat !== undefined && !isNumericDate(iat)) return wrongType('iat')
  if (nowMs >= endsAtMs(claims, rules))
    return deny('token-expired', `exp passed ${ago(exp as number, nowMs)}`)
  if (nowMs < startsAtMs(claims, rules)) return deny('token-premature', 'nbf or iat lies in the future')
  if (rules.maxLifetimeSeconds === undefined) return undefined
  if (iat === undefined || exp === undefined) {
    return deny('claim-missing', 'the life of a token without iat and exp cannot be checked')
  }
  if ((exp as number) - (iat as number) <= rules.maxLifetimeSeconds) return undefined
  return deny('token-lifetime', `it lives longer than ${rules.maxLifetimeSeconds} s`)
}

/** The first millisecond at which the token is no longer accepted (RFC 7519 §4.1.4: valid before `exp`). */
export function endsAtMs(claims: StrictJson, rules: ClaimRules): number {
  const exp = claims['exp'] as number | undefined
  return exp === undefined ? Number.POSITIVE_INFINITY : (exp + rules.toleranceSeconds) * 1000
}

/** The first millisecond at which the token is accepted: the later of `nbf` and `iat` (RFC 7519 §4.1.5, §4.1.6). */
export function startsAtMs(claims: StrictJson, rules: ClaimRules): number {
  const nbf = (claims['nbf'] as number | undefined) ?? 0
  const iat = (claims['iat'] as number | undefined) ?? 0
  return ((nbf > iat ? nbf : iat) - rules.toleranceSeconds) * 1000
}

function checkRequired(claims: StrictJson, required: readonly string[]): Denial | undefined {
  for (let index = 0; index < required.length; index++) {
    const name = required[index]!
    if (!Object.hasOwn(claims, name)) return deny('claim-missing', `the token has no ${name}`)
  }
  return undefined
}

/** RFC 7800 §3.1: whoever does not check the confirmation must not accept the token. */
function checkConfirmation(cnf: unknown, isChecked: boolean): Denial | undefined {
  if (cnf === undefined) return undefined
  if (!isChecked) {
    return deny('proof-required', 'the token is bound to a key (cnf), and no proof of it was checked')
  }
  if (typeof cnf !== 'object' || cnf === null || Array.isArray(cnf)) return wrongType('cnf')
  const { jkt, 'x5t#S256': x5t } = cnf as StrictJson
  return isText(jkt) && isText(x5t) ? undefined : wrongType('cnf')
}

/** `1e999` parses to Infinity and `1e300` is a date in no calendar; milliseconds for seconds are caught too. */
export function isNumericDate(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= maxNumericDate
}

function isText(value: unknown): boolean {
  return value === undefined || typeof value === 'string'
}

function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

function wrongType(name: string): Denial {
  return deny('claim-malformed', `${name} has the wrong type or is out of range`)
}

function ago(exp: number, nowMs: number): string {
  return `${Math.max(0, Math.round(nowMs / 1000 - exp))} s ago`
}

const knownClaims: ReadonlySet<string> = new Set([
  'iss',
  'sub',
  'aud',
  'exp',
  'nbf',
  'iat',
  'jti',
  'client_id',
  'azp',
  'scope',
  'scp',
  'roles',
  'groups',
  'entitlements',
  'act',
  'may_act',
  'cnf',
  'txn',
])
