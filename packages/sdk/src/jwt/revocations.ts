import { hash } from 'node:crypto'
import { isNumericDate } from './claims.ts'
import { deny } from '../core/denial.ts'
import type { Denial } from '../core/denial.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import { PolledSource } from './revocation-source.ts'
import type { RevocationHealth, RevocationSource } from './revocation-source.ts'
import type { VerifiedToken } from './verified-token.ts'

/** One thing that is no longer trusted, of one issuer. */
export type Revocation = {
  /** The `iss` whose tokens are meant: another issuer's equal `jti` or `kid` is another thing. */
  readonly issuer: string
  /** When the last token it could refuse has expired, seconds since the epoch; then it is forgotten. Infinity: never. */
  readonly untilSeconds: number
} & (
  | { readonly tokenId: string }
  | { readonly subject: string; readonly issuedBeforeSeconds: number }
  /** The same by {@link subjectDigest}, as a published list has it. */
  | { readonly subjectDigest: string; readonly issuedBeforeSeconds: number }
  | { readonly clientId: string; readonly issuedBeforeSeconds: number }
  | { readonly keyId: string }
)

/** A bounded list of what is revoked, changed at run time; see {@link createRevocations}. */
export class Revocations {
  /** Another number after every change; tells a token cache to ask again. */
  generation = 0
  readonly #limit: number
  readonly #entries = new Map<string, { issuedBefore: number; until: number }>()
  readonly #sources: readonly PolledSource[]
  #hasDigests = false

  constructor(limit: number, sources: readonly RevocationSource[] = []) {
    this.#limit = limit
    this.#sources = sources.map(
      (source) => new PolledSource(source, (revocation, nowMs) => this.revoke(revocation, nowMs)),
    )
  }

  /** How many revocations are in force or not yet forgotten. */
  get size(): number {
    return this.#entries.size
  }

  /**
   * Refuses the tokens meant from the next check on, also those a verifier has cached.
   *
   * @throws Problem `option-invalid` for a revocation that says nothing or two things, or has a date that is none;
   *   `revocations-full` when nothing can be forgotten any more; the caller then revokes the key instead.
   */
  revoke(revocation: Revocation, nowMs: number = Date.now()): void {
    const { key, issuedBefore } = entryOf(revocation)
    if ('subjectDigest' in revocation) this.#hasDigests = true
    const known = this.#entries.get(key)
    // What is to be revoked when there is no room for single tokens must find some.
    const isWide = 'keyId' in revocation || 'clientId' in revocation
    const limit = isWide ? this.#limit + roomForWide : this.#limit
    if (known === undefined && this.#entries.size >= limit) this.#forget(nowMs)
    if (known === undefined && this.#entries.size >= limit) {
      throw new Problem('revocations-full', `${limit} revocations are in force`, {
        next: 'revoke the client or the signing key instead of single tokens, or raise the limit',
      })
    }
    const until = revocation.untilSeconds
    // What says nothing new must not make every cached token be looked at again.
    if (known !== undefined && known.issuedBefore >= issuedBefore && known.until >= until) return
    this.#entries.set(key, {
      issuedBefore: Math.max(issuedBefore, known?.issuedBefore ?? 0),
      until: Math.max(until, known?.until ?? 0),
    })
    this.generation++
  }

  /**
   * Whether what is known may be decided by at `nowMs`; asks the sources anew in the background when it is time.
   * False: wait for {@link Revocations.load} first. Always true without sources.
   */
  usable(nowMs: number): boolean {
    let usable = true
    for (const source of this.#sources) {
      const quiet = nowMs < source.checkAfterMs && nowMs >= source.checkFromMs
      if (!quiet && !source.usable(nowMs)) usable = false
    }
    return usable
  }

  /**
   * Asks the sources whose answer has become old. One that fails is done without, until its `staleAfterSeconds` are over.
   *
   * @throws Problem `revocations-unavailable` when they are: answer 503, never 401.
   */
  async load(nowMs: number): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.load(nowMs)))
  }

  /** How it stands with each source, as of the latest question: nobody is asked for this. */
  health(nowMs: number = Date.now()): readonly RevocationHealth[] {
    return this.#sources.map((source) => source.health(nowMs))
  }

  /** Why this token is refused, if it is. */
  refuses(token: VerifiedToken): Denial | undefined {
    if (this.#entries.size === 0) return undefined
    const { issuer, tokenId, subject, clientId, keyId } = token
    if (tokenId !== undefined && this.#hits('jti', issuer, tokenId, token)) {
      return deny('token-revoked', 'the token itself is revoked')
    }
    if (subject !== undefined && this.#hitsSubject(issuer, subject, token)) {
      return deny('token-revoked', 'tokens of this subject issued by then are revoked')
    }
    if (clientId !== undefined && this.#hits('client', issuer, clientId, token)) {
      return deny('token-revoked', 'tokens of this client issued by then are revoked')
    }
    if (keyId !== undefined && this.#hits('kid', issuer, keyId, token)) {
      return deny('token-revoked', 'the key that signed it is revoked')
    }
    const { act, lineage, req_wl: requester } = token.claims
    // A transaction token has no client_id; this is who asked for it (draft-ietf-oauth-transaction-tokens).
    if (typeof requester === 'string' && this.#hits('client', issuer, requester, token)) {
      return deny('token-revoked', 'tokens that this client asked for by then are revoked')
    }
    return this.#refusesActor(act, token) ?? this.#refusesAncestor(lineage)
  }

  /** A client that is revoked has no part in anything: neither by itself nor on behalf of somebody (RFC 8693 §4.1). */
  #refusesActor(act: unknown, token: VerifiedToken): Denial | undefined {
    for (let actor = act as Actor; typeof actor === 'object' && actor !== null; actor = actor.act as Actor) {
      const { sub, iss = token.issuer } = actor
      if (typeof sub === 'string' && typeof iss === 'string' && this.#hits('client', iss, sub, token)) {
        return deny('token-revoked', 'tokens of an actor in it issued by then are revoked')
      }
    }
    return undefined
  }

  /**
   * Whoever revokes a token revokes what was exchanged for it, and what was exchanged for that. A `lineage` of another
   * form is somebody else's claim of this name.
   */
  #refusesAncestor(lineage: unknown): Denial | undefined {
    if (!Array.isArray(lineage)) return undefined
    for (const ancestor of lineage as readonly unknown[]) {
      const { iss, jti } = (ancestor ?? {}) as { readonly iss?: unknown; readonly jti?: unknown }
      if (typeof iss !== 'string' || typeof jti !== 'string') continue
      if (this.#entries.has(entryKey('jti', iss, jti))) {
        return deny('token-revoked', 'a token it descends from is revoked')
      }
    }
    return undefined
  }

  #hitsSubject(issuer: string, subject: string, token: VerifiedToken): boolean {
    if (this.#hits('sub', issuer, subject, token)) return true
    return this.#hasDigests && this.#hits('digest', issuer, subjectDigest(issuer, subject), token)
  }

  #hits(kind: string, issuer: string, value: string, token: VerifiedToken): boolean {
    const entry = this.#entries.get(entryKey(kind, issuer, value))
    if (entry === undefined) return false
    // A token that does not say when it was issued may have been issued before.
    return (token.issuedAtSeconds ?? 0) < entry.issuedBefore
  }

  #forget(nowMs: number): void {
    for (const [key, { until }] of this.#entries) if (until * 1000 <= nowMs) this.#entries.delete(key)
  }
}

/**
 * A bounded list of revoked tokens, subjects, clients and keys that a verifier consults on every check, cached tokens
 * included. A revoked token takes those with it that were exchanged for it.
 *
 * @param options.limit how many revocations may be in force; 100,000 unless given. There is room for 1000 keys and clients more.
 * @param options.sources where to learn of more, such as `createRevocationFeed`; what they say is added and never taken
 *   back.
 * @example
 * const revocations = createRevocations()
 * const verifier = createVerifier({ issuer, audience, keySet, revocations })
 * revocations.revoke({ issuer, tokenId: 'e1b2…', untilSeconds: 1_767_225_600 })
 */
export function createRevocations(options: RevocationsOptions = {}): Revocations {
  refuseUnknownOptions('createRevocations', options, ['limit', 'sources'])
  const { limit = 100_000, sources = [] } = options
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw new Problem('option-invalid', 'createRevocations: limit must be a whole number of at least 1')
  }
  if (!Array.isArray(sources))
    throw new Problem('option-invalid', 'createRevocations: sources must be a list')
  return new Revocations(limit, sources)
}

export type RevocationsOptions = {
  readonly limit?: number
  readonly sources?: readonly RevocationSource[]
}

/**
 * A subject in a list that everybody may read: whoever knows the subject can tell that it is meant, and nobody can read
 * from it who that is. SHA-256 of the issuer, a line feed and the `sub`, base64url.
 */
export function subjectDigest(issuer: string, subject: string): string {
  return hash('sha256', `${issuer}\n${subject}`, 'base64url')
}

/** A revocation with a slip in it would refuse nothing, and nobody would notice: so it is read strictly. */
function entryOf(revocation: Revocation): { key: string; issuedBefore: number } {
  const members = revocation as Readonly<Record<string, unknown>>
  if (typeof members !== 'object' || members === null) throw invalid('expected an object')
  const kinds = Object.keys(kindNames).filter((name) => members[name] !== undefined)
  const name = kinds[0]
  if (name === undefined || kinds.length > 1) {
    throw invalid('exactly one of tokenId, subject, subjectDigest, clientId and keyId says what is revoked')
  }
  const dated = name !== 'tokenId' && name !== 'keyId'
  refuseUnknownOptions('revoke', members, [
    'issuer',
    'untilSeconds',
    name,
    ...(dated ? ['issuedBeforeSeconds'] : []),
  ])
  const { issuer, untilSeconds, issuedBeforeSeconds } = members
  const value = members[name]
  if (typeof issuer !== 'string' || typeof value !== 'string') {
    throw invalid(`issuer and ${name} must be strings`)
  }
  if (
    !(untilSeconds === Number.POSITIVE_INFINITY || isNumericDate(untilSeconds)) ||
    (dated && !isNumericDate(issuedBeforeSeconds))
  ) {
    throw invalid('dates are seconds since the epoch')
  }
  const issuedBefore = dated ? (issuedBeforeSeconds as number) : Number.POSITIVE_INFINITY
  return { key: entryKey(kindNames[name]!, issuer, value), issuedBefore }
}

type Actor = { readonly sub?: unknown; readonly iss?: unknown; readonly act?: unknown } | null | undefined

function invalid(message: string): Problem {
  return new Problem('option-invalid', `revoke: ${message}`)
}

/** The length in front keeps two different pairs from ever having one text. */
function entryKey(kind: string, issuer: string, value: string): string {
  return `${kind}:${issuer.length}:${issuer}:${value}`
}

const roomForWide = 1000

const kindNames: Readonly<Record<string, string>> = {
  tokenId: 'jti',
  subject: 'sub',
  subjectDigest: 'digest',
  clientId: 'client',
  keyId: 'kid',
}
