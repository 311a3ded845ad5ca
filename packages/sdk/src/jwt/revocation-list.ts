import { isAlgorithm } from './algorithms.ts'
import type { Algorithm } from './algorithms.ts'
import { isNumericDate } from './claims.ts'
import { decodeBase64url, encodeBase64url } from '../core/base64url.ts'
import { checkType, readHeader, secondDot } from './compact.ts'
import type { ProtectedHeader } from './compact.ts'
import { parseStrictJsonBytes } from '../core/json.ts'
import type { StrictJson } from '../core/json.ts'
import { SigningKey } from './key.ts'
import type { VerificationKey } from './key.ts'
import type { KeySet } from './key-set.ts'
import { Problem } from '../core/problem.ts'
import { subjectDigest } from './revocations.ts'
import type { Revocation } from './revocations.ts'
import { headerSegment } from './signer.ts'

/** What an issuer publishes as revoked, all of it, at one moment. */
export type RevocationList = {
  /** The `iss` claim: whose list it is, and whose tokens alone it is about. */
  readonly issuer: string
  readonly issuedAtSeconds: number
  /** After it nobody takes the list any more, so that an old one cannot be shown as news for long. */
  readonly expiresAtSeconds: number
  /** Grows with every change: a list with a lower one is older. */
  readonly sequence: number
  readonly revocations: readonly Revocation[]
}

/** The `typ` of a list: neither it nor an access token can be taken for the other (RFC 8725 §3.11). */
export const revocationListType = 'revocations+jwt'

/** The longest list that is taken, in characters. */
export const maxRevocationListLength = 8 * 1024 * 1024

/**
 * Signs a list as a compact JWS (RFC 7515 §3.1).
 *
 * Its claims are `iss`, `iat`, `exp`, `sequence`, and four lists of lists, each entry ending with the second until which it
 * counts: `tokens` (`jti`), `keys` (`kid`), `subjects` (digest of `sub`, issued before) and `clients` (`client_id`, issued
 * before). Subjects may be people, and the list is for everybody.
 *
 * @example
 * signRevocationList({ issuer, issuedAtSeconds, expiresAtSeconds, sequence: 7, revocations: [] }, key)
 */
export function signRevocationList(list: RevocationList, key: SigningKey): string {
  const input = revocationListInput(list, key)
  if (!(key instanceof SigningKey)) throw new Problem('option-invalid', 'key must be a signing key')
  return `${input}.${key.signs(input)}`
}

/**
 * What is signed of a list, for a key that lives elsewhere: a dot and the signature (base64url) make the list of it.
 *
 * @param key the key's `alg` and `kid`, for the header.
 * @throws Problem `option-invalid` for what is no list or no key.
 */
export function revocationListInput(
  list: RevocationList,
  key: { readonly algorithm: Algorithm; readonly keyId: string },
): string {
  checkArguments(list, key)
  const { algorithm, keyId } = key
  const { issuer, issuedAtSeconds, expiresAtSeconds, sequence, revocations } = list
  const claims: Record<Kind, unknown[]> & Record<string, unknown> = {
    iss: issuer,
    iat: issuedAtSeconds,
    exp: expiresAtSeconds,
    sequence,
    tokens: [],
    keys: [],
    subjects: [],
    clients: [],
  }
  for (const revocation of revocations) {
    const until = revocation.untilSeconds
    if ('tokenId' in revocation) claims.tokens.push([revocation.tokenId, until])
    else if ('keyId' in revocation) claims.keys.push([revocation.keyId, until])
    else if ('subject' in revocation) {
      claims.subjects.push([subjectDigest(issuer, revocation.subject), revocation.issuedBeforeSeconds, until])
    } else if ('subjectDigest' in revocation) {
      claims.subjects.push([revocation.subjectDigest, revocation.issuedBeforeSeconds, until])
    } else claims.clients.push([revocation.clientId, revocation.issuedBeforeSeconds, until])
  }
  const head = headerSegment(algorithm, keyId, revocationListType)
  return head + encodeBase64url(Buffer.from(JSON.stringify(claims), 'utf8'))
}

function checkArguments(list: RevocationList, key: { readonly algorithm: Algorithm }): void {
  const { revocations } = (list ?? {}) as Partial<RevocationList>
  if (Array.isArray(revocations) && revocations.every(isEntry) && isAlgorithm((key ?? {}).algorithm)) return
  throw new Problem('option-invalid', 'a list of revocations needs its entries, and the key that signs it')
}

function isEntry(entry: unknown): boolean {
  return typeof entry === 'object' && entry !== null
}

/**
 * Verifies a list: signed by a key of the issuer, of this issuer, and of now.
 *
 * @param expected.refusedKeyIds keys that are revoked: what they sign is nobody's word any more.
 * @throws Problem `fetch-failed` for what is no good list, `keys-unavailable` when that cannot be told.
 */
export async function verifyRevocationList(
  text: string,
  { issuer, keySet, nowMs, refusedKeyIds }: ExpectedList,
): Promise<RevocationList> {
  if (text.length > maxRevocationListLength) throw refused(issuer, 'it is too long')
  const firstDot = text.indexOf('.')
  const lastDot = secondDot(text, firstDot)
  if (lastDot < 0) throw refused(issuer, 'it is not a compact JWS')
  const header = readHeader(text.slice(0, firstDot))
  if ('reason' in header) throw refused(issuer, header.detail)
  const early = checkType(header, types)
  if (early !== undefined) throw refused(issuer, early.detail)
  const key = await findKey(header, keySet, nowMs)
  const keyId = typeof key === 'string' ? header.keyId : (key.keyId ?? header.keyId)
  if (typeof key === 'string' || key.algorithm !== header.algorithm) {
    throw refused(issuer, 'it is signed by no key of the issuer')
  }
  if (keyId !== undefined && refusedKeyIds.has(keyId))
    throw refused(issuer, 'the key that signed it is revoked')
  if (!key.verifies(text.slice(0, lastDot), text.slice(lastDot + 1))) {
    throw refused(issuer, 'its signature does not fit')
  }
  const payload = decodeBase64url(text.slice(firstDot + 1, lastDot))
  if (payload === undefined) throw refused(issuer, 'not canonical base64url')
  const claims = parseStrictJsonBytes(payload, payload.length)
  if (typeof claims === 'string') throw refused(issuer, claims)
  return readList(claims, issuer, nowMs)
}

export type ExpectedList = {
  readonly issuer: string
  readonly keySet: KeySet
  readonly nowMs: number
  readonly refusedKeyIds: ReadonlySet<string>
}

/** A key that is not at hand is fetched; twice, since the first fetch may have begun before it was published. */
async function findKey(
  { keyId, algorithm }: ProtectedHeader,
  keySet: KeySet,
  nowMs: number,
): Promise<VerificationKey | string> {
  for (let loads = 0; ; loads++) {
    const found = keySet.find(keyId, algorithm, nowMs)
    if (found !== 'fetch' || loads === 2) return found
    await keySet.load(nowMs)
  }
}

function readList(claims: StrictJson, issuer: string, nowMs: number): RevocationList {
  const { iss, iat, exp, sequence } = claims
  if (iss !== issuer) throw refused(issuer, 'it is another issuer’s')
  if (!isNumericDate(iat) || !isNumericDate(exp)) throw refused(issuer, 'its dates are none')
  if (exp * 1000 + toleranceMs <= nowMs) throw refused(issuer, 'it is an old one: its exp has passed')
  if (iat * 1000 - toleranceMs > nowMs) throw refused(issuer, 'its iat lies ahead')
  if (!Number.isSafeInteger(sequence) || (sequence as number) < 0) throw refused(issuer, 'it has no sequence')
  const revocations = [
    // What revokes the most comes first: whoever has no room for all of it then lacks the least.
    ...entriesOf(claims, 'keys', issuer, 2, (keyId) => ({ keyId })),
    ...entriesOf(claims, 'clients', issuer, 3, (clientId, issuedBeforeSeconds) => ({
      clientId,
      issuedBeforeSeconds,
    })),
    ...entriesOf(claims, 'subjects', issuer, 3, (subjectDigest, issuedBeforeSeconds) => ({
      subjectDigest,
      issuedBeforeSeconds,
    })),
    ...entriesOf(claims, 'tokens', issuer, 2, (tokenId) => ({ tokenId })),
  ]
  return { issuer, issuedAtSeconds: iat, expiresAtSeconds: exp, sequence: sequence as number, revocations }
}

/** One odd entry refuses the whole list: to leave it out would be to accept what it revokes. */
function entriesOf<What>(
  claims: StrictJson,
  kind: Kind,
  issuer: string,
  width: number,
  what: (id: string, issuedBeforeSeconds: number) => What,
): (What & { readonly issuer: string; readonly untilSeconds: number })[] {
  const entries = claims[kind]
  if (!Array.isArray(entries)) throw refused(issuer, `${kind} is no list`)
  return (entries as readonly unknown[]).map((entry) => {
    const [id, ...dates] = Array.isArray(entry) && entry.length === width ? (entry as readonly unknown[]) : []
    if (typeof id !== 'string' || !dates.every(isNumericDate))
      throw refused(issuer, `${kind} has an entry that is none`)
    return { ...what(id, dates[0]!), issuer, untilSeconds: dates.at(-1)! }
  })
}

function refused(issuer: string, why: string): Problem {
  return new Problem('fetch-failed', `the list of revocations of ${issuer} is refused: ${why}`)
}

type Kind = 'tokens' | 'keys' | 'subjects' | 'clients'

const types: ReadonlySet<string> = new Set([revocationListType])
/** How far the clocks of an issuer and its followers may be apart. */
const toleranceMs = 60_000
