import { checkClaims, endsAtMs, startsAtMs } from './claims.ts'
import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { checkType, maxTokenLength, readHeader, readJsonSegment, secondDot } from './compact.ts'
import type { ProtectedHeader } from './compact.ts'
import { deny } from '../core/denial.ts'
import type { Denial } from '../core/denial.ts'
import type { StrictJson } from '../core/json.ts'
import { VerificationKey } from './key.ts'
import { keyDenial } from './key-set.ts'
import { Problem } from '../core/problem.ts'
import type { Revocations } from './revocations.ts'
import { TokenCache } from './token-cache.ts'
import { VerifiedToken } from './verified-token.ts'
import { compileOptions } from './verifier-options.ts'
import type { ConfirmationRule, IssuerRules, VerifierOptions } from './verifier-options.ts'

/** What became of a token. A token that is remembered gives the same frozen object again. */
export type Verification =
  | { readonly kind: 'verified'; readonly token: VerifiedToken }
  | { readonly kind: 'denied'; readonly denial: Denial }

/** Decides whether a token is good. Made by {@link createVerifier}. */
export type Verifier = {
  /** Whether tokens that are bound to a key are refused, or left to whoever calls. */
  readonly confirmation: ConfirmationRule
  /**
   * Verifies a token, fetching keys where that is needed.
   *
   * @throws Problem `keys-unavailable` or `revocations-unavailable` when what to decide with cannot be had: answer 503,
   *   never 401.
   */
  verify(token: string): Promise<Verification>
  /**
   * Verifies a token with the keys at hand. Undefined: a key or a list of revocations must be fetched first, so call
   * {@link Verifier.verify}. Never undefined with `createKeySet` and without sources of revocations.
   *
   * @param nowMs the time to verify at, milliseconds since the epoch; the clock's unless given.
   */
  verifyNow(token: string, nowMs?: number): Verification | undefined
  /** Fetches all keys that are not at hand, so that the first request need not wait. @throws Problem `keys-unavailable` */
  warm(): Promise<void>
}

/**
 * Makes a verifier for the tokens of one or several issuers.
 *
 * A token passes when its issuer is known, the issuer's key named by `kid` has the token's `alg` as its own algorithm,
 * the signature is good, `typ` and `aud` are the expected ones, `exp` lies ahead, and nothing of it is revoked
 * (RFC 9068 §4, RFC 8725). There are no weaker defaults to switch off; every way out is spelled `dangerously…`.
 *
 * @throws Problem `option-invalid` or `option-unknown`.
 * @example
 * const verifier = createVerifier({
 *   issuer: 'https://issuer.acme.example',
 *   audience: 'https://billing.acme.example',
 *   keySet: createRemoteKeySet({ issuer: 'https://issuer.acme.example' }),
 * })
 * const verification = await verifier.verify(token)
 */
export function createVerifier(options: VerifierOptions): Verifier {
  return new TokenVerifier(options)
}

type Entry = {
  readonly verification: Verification & { readonly kind: 'verified' }
  readonly rules: IssuerRules
  readonly header: ProtectedHeader
  readonly startsAtMs: number
  readonly endsAtMs: number
  keyGeneration: number
  revocationGeneration: number
}

class TokenVerifier implements Verifier {
  readonly confirmation: ConfirmationRule
  readonly #issuers: ReadonlyMap<string, IssuerRules>
  readonly #revocations: Revocations | undefined
  readonly #clock: Clock
  readonly #cache: TokenCache<Entry> | undefined
  // Protected headers that stood in verified tokens, by their exact text: a signing key writes the same one each time.
  readonly #headers = new Map<string, ProtectedHeader>()
  // The latest of them with its dot: an issuer has one active key, so nearly every token begins with this text.
  #lastHeader: { readonly text: string; readonly header: ProtectedHeader } | undefined

  constructor(options: VerifierOptions) {
    const compiled = compileOptions(options)
    this.#issuers = compiled.issuers
    this.confirmation = compiled.confirmation
    this.#revocations = options.revocations
    this.#clock = options.clock ?? systemClock
    this.#cache =
      compiled.cacheEntries > 0
        ? new TokenCache(compiled.cacheEntries, compiled.cacheEntries * 2048)
        : undefined
  }

  verifyNow(token: string, nowMs: number = this.#clock()): Verification | undefined {
    // Every comparison with NaN is false, so a broken clock would make each token eternal.
    if (!Number.isFinite(nowMs))
      throw new Problem('option-invalid', 'createVerifier: the clock gives no number')
    if (this.#revocations !== undefined && !this.#revocations.usable(nowMs)) return undefined
    const entry = typeof token === 'string' ? this.#cache?.find(token) : undefined
    if (entry === undefined) return this.#verify(token, nowMs)
    const { keySet } = entry.rules
    if (
      nowMs < entry.endsAtMs &&
      nowMs >= entry.startsAtMs &&
      nowMs < keySet.checkAfterMs &&
      entry.keyGeneration === keySet.generation &&
      (this.#revocations === undefined || entry.revocationGeneration === this.#revocations.generation)
    ) {
      return entry.verification
    }
    return this.#verifyAgain(entry, token, nowMs)
  }

  async verify(token: string): Promise<Verification> {
    for (let loads = 0; ; loads++) {
      if (this.#revocations !== undefined) {
        const nowMs = this.#clock()
        if (!this.#revocations.usable(nowMs)) await this.#revocations.load(nowMs)
      }
      const verification = this.verifyNow(token)
      if (verification !== undefined) return verification
      // A first load may have joined a fetch that began before the key was published; a second one has not.
      if (loads === 2) return denied(deny('key-unknown', 'the key is not in the freshly fetched set'))
      try {
        // Only a key set can ask for a fetch, and it is asked only for a known issuer.
        await this.#rulesOf(token)?.keySet.load(this.#clock())
      } catch (problem) {
        // While the endpoint fails the keys at hand serve on for a time, which the set knows.
        const stale = this.verifyNow(token)
        if (stale === undefined) throw problem
        return stale
      }
    }
  }

  async warm(): Promise<void> {
    const nowMs = this.#clock()
    const wanting = [...this.#issuers.values()].filter(({ keySet }) => keySet.checkAfterMs <= nowMs)
    await Promise.all([...wanting.map(({ keySet }) => keySet.load(nowMs)), this.#revocations?.load(nowMs)])
  }

  /**
   * A cached token after something changed. Its signature need not be computed again as long as the very same key is
   * still the one its header names; everything that can have changed is asked again.
   */
  #verifyAgain(entry: Entry, token: string, nowMs: number): Verification | undefined {
    const { rules, header, verification } = entry
    const generation = rules.keySet.generation
    const key = rules.keySet.find(header.keyId, header.algorithm, nowMs)
    if (key === 'fetch') return undefined
    if (
      key !== VerifiedToken.key(verification.token) ||
      nowMs >= entry.endsAtMs ||
      nowMs < entry.startsAtMs
    ) {
      this.#cache!.drop(token)
      return this.#verify(token, nowMs)
    }
    const denial = this.#revocations?.refuses(verification.token)
    if (denial !== undefined) return denied(denial)
    entry.keyGeneration = generation
    entry.revocationGeneration = this.#revocations?.generation ?? 0
    return verification
  }

  #verify(token: string, nowMs: number): Verification | undefined {
    if (typeof token !== 'string') return denied(deny('token-malformed', 'not a string'))
    if (token.length > maxTokenLength) return denied(deny('token-oversize', `longer than ${maxTokenLength}`))
    const repeats = this.#lastHeader !== undefined && token.startsWith(this.#lastHeader.text)
    const firstDot = repeats ? this.#lastHeader!.text.length - 1 : token.indexOf('.')
    const lastDot = secondDot(token, firstDot)
    if (lastDot < 0) return denied(deny('token-malformed', 'not three segments'))
    const header = repeats ? this.#lastHeader!.header : this.#readHeader(token.slice(0, firstDot))
    if ('reason' in header) return denied(header)
    // Its issuer has to be known before its key can be; nothing else of the claims counts before the signature.
    const claims = readJsonSegment(token.slice(firstDot + 1, lastDot))
    if (typeof claims === 'string') return denied(deny('token-malformed', `claims: ${claims}`))
    const rules = this.#issuers.get(claims['iss'] as string)
    if (rules === undefined) return denied(deny('issuer-mismatch', unknownIssuer(claims['iss'])))
    const early = checkHeader(header, rules)
    if (early !== undefined) return denied(early)
    const generation = rules.keySet.generation
    const key = rules.keySet.find(header.keyId, header.algorithm, nowMs)
    if (key === 'fetch') return undefined
    // Whatever else a look-up may give, an empty key or a look-alike: only a key of our readers computes a signature.
    if (!VerificationKey.is(key)) return denied(keyDenial(key))
    // The set found the key by this very algorithm; asked once more where the signature is computed, since nothing
    // else stands between a token and the choice of how it is checked.
    if (key.algorithm !== header.algorithm) return denied(keyDenial('mismatch'))
    if (!key.verifies(token.slice(0, lastDot), token.slice(lastDot + 1))) {
      return denied(deny('signature-invalid', 'the signature does not fit'))
    }
    const refused = checkClaims(claims, rules, nowMs)
    if (refused !== undefined) return denied(refused)
    const verified = new VerifiedToken(header, claims, key)
    const revoked = this.#revocations?.refuses(verified)
    if (revoked !== undefined) return denied(revoked)
    const verification = Object.freeze({ kind: 'verified', token: verified } as const)
    if (!repeats) this.#rememberHeader(token.slice(0, firstDot), header)
    if (this.#cache?.admits(token) === true) {
      this.#cache.keep(token, {
        verification,
        rules,
        header,
        startsAtMs: startsAtMs(claims, rules),
        endsAtMs: endsAtMs(claims, rules),
        keyGeneration: generation,
        revocationGeneration: this.#revocations?.generation ?? 0,
      })
    }
    return verification
  }

  /** The rules of the issuer a token names, unverified: only to know whose keys to fetch. */
  #rulesOf(token: string): IssuerRules | undefined {
    const parts = token.split('.', 3)
    const claims: StrictJson | string = parts.length === 3 ? readJsonSegment(parts[1]!) : ''
    return typeof claims === 'string' ? undefined : this.#issuers.get(claims['iss'] as string)
  }

  #readHeader(text: string): ProtectedHeader | Denial {
    return this.#headers.get(text) ?? readHeader(text)
  }

  /** Only headers of tokens that passed: nobody else can fill the table. */
  #rememberHeader(text: string, header: ProtectedHeader): void {
    if (this.#headers.size >= maxKnownHeaders) this.#headers.clear()
    // Copied, since a slice would keep the whole token alive.
    const copy = Buffer.from(`${text}.`, 'latin1').toString('latin1')
    this.#lastHeader = { text: copy, header }
    this.#headers.set(copy.slice(0, -1), header)
  }
}

const maxKnownHeaders = 128

function checkHeader(header: ProtectedHeader, rules: IssuerRules): Denial | undefined {
  if (rules.algorithms !== undefined && !rules.algorithms.has(header.algorithm)) {
    return deny('algorithm-mismatch', 'alg is not one this issuer may use')
  }
  return checkType(header, rules.types)
}

function denied(denial: Denial): Verification {
  return { kind: 'denied', denial }
}

function unknownIssuer(iss: unknown): string {
  return iss === undefined ? 'the token has no iss' : 'iss is not a known issuer'
}
