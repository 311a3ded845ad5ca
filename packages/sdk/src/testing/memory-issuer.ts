import type { Clock } from '../core/clock.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import { createGuard } from '../guard/guard.ts'
import type { Guard } from '../guard/guard.ts'
import type { ServiceTerms } from '../guard/service-terms.ts'
import type { SignedClaims } from '../policy/principal.ts'
import type { GuardOptions } from '../guard/guard-options.ts'
import type { Algorithm } from '../jwt/algorithms.ts'
import { inspectToken } from '../jwt/inspect.ts'
import type { Jwk } from '../jwt/jwk.ts'
import type { SigningKey } from '../jwt/key.ts'
import { generateSigningKey, publicJwk, verificationKey } from '../jwt/key-readers.ts'
import type { KeySet } from '../jwt/key-set.ts'
import { maxNumericDate } from '../jwt/claims.ts'
import { signRevocationList } from '../jwt/revocation-list.ts'
import { createRevocations } from '../jwt/revocations.ts'
import type { Revocation, Revocations } from '../jwt/revocations.ts'
import { createVerifier } from '../jwt/verifier.ts'
import type { Verifier } from '../jwt/verifier.ts'
import type { SharedVerifierOptions, TrustedIssuerOptions } from '../jwt/verifier-options.ts'
import type { Faults } from './endpoints.ts'
import { checkFault } from './fault.ts'
import { createMovableClock } from './movable-clock.ts'
import { mintTestToken } from './mint.ts'
import type { TestTokenOf } from './mint.ts'
import { WithheldKeySet } from './withheld-key-set.ts'

export type TestIssuerOptions<Role extends string = string, Scope extends string = string> = {
  /** The `iss`; `https://issuer.test` unless given. */
  readonly issuer?: string
  /** The `aud` of tokens that name no other; the service's, or `https://service.test`, unless given. */
  readonly audience?: string
  /**
   * A service of the trust file, from the module that `countersign types` writes: {@link TestIssuer.token} then takes its
   * roles and scopes alone, by the compiler's word, and {@link TestIssuer.guard} is its guard.
   */
  readonly service?: ServiceTerms<Role, Scope>
  /** `ES256` unless given. */
  readonly algorithm?: Algorithm
  /** How long tokens live that say nothing else, seconds; 300 unless given. */
  readonly lifetimeSeconds?: number
  /** Where the clock stands still, milliseconds since the epoch. Unless given it runs, and can be moved all the same. */
  readonly nowMs?: number
}

/** An issuer for tests, with real keys and real signatures; see {@link createTestIssuer}. */
export type TestIssuer<Role extends string = string, Scope extends string = string> = {
  /** The `iss`. */
  readonly url: string
  readonly audience: string
  /** How long its tokens live unless they say otherwise. */
  readonly lifetimeSeconds: number
  /** The time by which this issuer's verifiers and guards judge. */
  readonly clock: Clock
  /** What {@link revoke} revokes; this issuer's verifiers and guards ask it. */
  readonly revocations: Revocations
  /** A token, signed: a good one, or wrong in the way that is asked for. */
  token(wanted?: TestTokenOf<Role, Scope>): string
  /** The same as the value of an `Authorization` header. */
  authorization(wanted?: TestTokenOf<Role, Scope>): string
  /** The keys to verify with, for a verifier of your own; `rotate` changes them. */
  keySet(): KeySet
  /** A verifier that trusts this issuer. Whatever is given replaces what it would have. */
  verifier(options?: TestVerifierOptions): Verifier
  /** A guard with such a verifier, at the issuer's clock. */
  guard<
    const GuardRole extends string = Role,
    const GuardScope extends string = Scope,
    Claims extends SignedClaims = SignedClaims,
  >(
    options?: TestGuardOptions<GuardRole, GuardScope, Claims>,
  ): Guard<{ role: GuardRole; scope: GuardScope; claims: Claims }>
  /** Moves the clock, and with it everybody who has it; negative: back. */
  advance(seconds: number): void
  /** Puts the issuer's own clock ahead of everybody else's; negative: behind. */
  skew(seconds: number): void
  /**
   * Makes its keys impossible to get from now on: whoever verifies with them gets the Problem `keys-unavailable`, whatever
   * the fault. Keys alone; the issuer on a port has endpoints, which can fail too.
   *
   * @throws Problem `option-invalid`, `option-unknown`.
   */
  fail(faults: Pick<Faults, 'keys'>): void
  /** Makes all of it work again. */
  recover(): void
  /** Signs with a new key from now on. The keys before stay in the set, unless they are to be forgotten. */
  rotate(options?: { readonly forget?: boolean }): void
  /** Revokes one token, or all that a subject, a client or a key has had until now. */
  revoke(what: string | RevokedInTest): void
  /** The published key set (RFC 7517 §5). @throws Problem `key-invalid` for a shared secret (HS256 and the like). */
  jwks(): { readonly keys: readonly Jwk[] }
  /** What is revoked, as a Countersign issuer publishes it: signed, for `createRevocationFeed`. */
  revocationList(): string
  [Symbol.asyncDispose](): Promise<void>
}

export type RevokedInTest =
  { readonly subject: string } | { readonly clientId: string } | { readonly keyId: string }

export type TestVerifierOptions = Partial<Omit<TrustedIssuerOptions, 'issuer'> & SharedVerifierOptions>

export type TestGuardOptions<
  Role extends string = string,
  Scope extends string = string,
  Claims extends SignedClaims = SignedClaims,
> = Pick<
  GuardOptions<Role, Scope, Claims>,
  | 'tokenFrom'
  | 'claims'
  | 'context'
  | 'roles'
  | 'realm'
  | 'resourceMetadata'
  | 'senderConstraint'
  | 'publicUrl'
  | 'proofs'
  | 'certificateFrom'
  | 'onDecision'
> & {
  readonly verifier?: Verifier
  /** A service of the trust file, from the module that `countersign types` writes; all its tokens are this issuer's. */
  readonly service?: ServiceTerms<Role, Scope>
}

/**
 * Makes an issuer in memory. Its tokens are signed and verified by the code that runs in production: nothing is mocked,
 * so a test passes only with a token that would pass.
 *
 * @throws Problem `option-invalid`, `option-unknown`.
 * @example
 * const issuer = createTestIssuer({ audience: 'https://billing.acme.example' })
 * const app = createApp(issuer.guard())
 * await app.request('/invoices/7', { headers: { authorization: issuer.authorization({ roles: 'reader' }) } })
 */
export function createTestIssuer<const Role extends string = string, const Scope extends string = string>(
  options: TestIssuerOptions<Role, Scope> = {},
): TestIssuer<Role, Scope> {
  refuseUnknownOptions('createTestIssuer', options, issuerNames)
  return new MemoryIssuer(options)
}

/** The issuer itself; the one on a port stands on it too. */
export class MemoryIssuer<Role extends string = string, Scope extends string = string> implements TestIssuer<
  Role,
  Scope
> {
  readonly url: string
  readonly audience: string
  readonly lifetimeSeconds: number
  readonly clock: Clock
  readonly revocations = createRevocations()
  readonly #revoked: Revocation[] = []
  readonly advance: (seconds: number) => void
  readonly #algorithm: Algorithm
  readonly #keySet: WithheldKeySet
  readonly #service: ServiceTerms<Role, Scope> | undefined
  #signingKeys: readonly [SigningKey, ...SigningKey[]]
  #foreignKey: SigningKey | undefined
  #skewSeconds = 0

  constructor(options: TestIssuerOptions<Role, Scope>) {
    const { service } = options
    this.url = readName('issuer', options.issuer ?? 'https://issuer.test')
    this.audience = readName('audience', options.audience ?? service?.audience ?? 'https://service.test')
    this.#service = service
    this.#algorithm = options.algorithm ?? 'ES256'
    this.lifetimeSeconds = options.lifetimeSeconds ?? 300
    const clock = createMovableClock(options.nowMs)
    this.clock = clock.now
    this.advance = clock.advance
    this.#signingKeys = [generateSigningKey(this.#algorithm)]
    this.#keySet = new WithheldKeySet(this.url, this.#signingKeys.map(verificationKey))
  }

  keySet(): KeySet {
    return this.#keySet
  }

  token(wanted: TestTokenOf<Role, Scope> = {}): string {
    return mintTestToken(wanted, {
      issuer: this.url,
      audience: this.audience,
      lifetimeSeconds: this.lifetimeSeconds,
      nowMs: this.clock() + this.#skewSeconds * 1000,
      key: this.#signingKeys[0],
      foreignKey: () => (this.#foreignKey ??= generateSigningKey(this.#algorithm)),
    })
  }

  authorization(wanted?: TestTokenOf<Role, Scope>): string {
    return `Bearer ${this.token(wanted)}`
  }

  verifier(options: TestVerifierOptions = {}): Verifier {
    return createVerifier({
      issuer: this.url,
      audience: this.audience,
      keySet: this.keySet(),
      revocations: this.revocations,
      clock: this.clock,
      ...options,
    })
  }

  guard<
    const GuardRole extends string = Role,
    const GuardScope extends string = Scope,
    Claims extends SignedClaims = SignedClaims,
  >({ service: given, ...options }: TestGuardOptions<GuardRole, GuardScope, Claims> = {}): Guard<{
    role: GuardRole
    scope: GuardScope
    claims: Claims
  }> {
    // Without one of its own the guard's names are those of the issuer's service, by the defaults of the types.
    const own = options.verifier === undefined ? (this.#service as ServiceTerms | undefined) : undefined
    const service = given ?? (own as ServiceTerms<GuardRole, GuardScope> | undefined)
    if (service !== undefined) {
      const { url: issuer, audience, clock, revocations } = this
      return createGuard<GuardRole, GuardScope, Claims>({
        clock,
        revocations,
        // Told for the file's own gateway; here there is none.
        conditions: 'checked-by-gateway',
        ...options,
        service: { ...service, issuers: [{ issuer, audience }] },
        keySets: { [issuer]: this.keySet() },
      })
    }
    const confirmation = options.senderConstraint === undefined ? 'refused' : 'checked-by-caller'
    const verifier = options.verifier ?? this.verifier({ confirmation })
    return createGuard({ clock: this.clock, ...options, verifier })
  }

  skew(seconds: number): void {
    if (!Number.isFinite(seconds)) throw new Problem('option-invalid', 'skew: expected a number of seconds')
    this.#skewSeconds = seconds
  }

  fail(faults: Pick<Faults, 'keys'>): void {
    refuseUnknownOptions('fail', faults, ['keys'])
    if (faults.keys !== undefined) checkFault('keys', faults.keys)
    this.#keySet.withhold(faults.keys !== undefined)
  }

  recover(): void {
    this.fail({})
  }

  rotate(options: { readonly forget?: boolean } = {}): void {
    refuseUnknownOptions('rotate', options, ['forget'])
    const before = options.forget === true ? [] : this.#signingKeys
    this.#signingKeys = [generateSigningKey(this.#algorithm), ...before]
    this.#keySet.replace(this.#signingKeys.map(verificationKey))
  }

  revoke(what: string | RevokedInTest): void {
    const common = { issuer: this.url, untilSeconds: maxNumericDate }
    if (typeof what === 'string') {
      const tokenId = inspectToken(what).claims?.['jti']
      if (typeof tokenId !== 'string') throw new Problem('option-invalid', 'revoke: the token has no jti')
      this.#add({ ...common, tokenId })
    } else if ('keyId' in what) {
      this.#add({ ...common, ...what })
    } else {
      // The next whole second, so that tokens of this one are among them.
      const issuedBeforeSeconds = Math.floor(this.clock() / 1000) + 1
      this.#add({ ...common, ...what, issuedBeforeSeconds })
    }
  }

  #add(revocation: Revocation): void {
    this.revocations.revoke(revocation)
    this.#revoked.push(revocation)
  }

  revocationList(): string {
    const issuedAtSeconds = Math.floor(this.clock() / 1000)
    const revocations = this.#revoked
    const list = { issuer: this.url, issuedAtSeconds, expiresAtSeconds: issuedAtSeconds + 300, revocations }
    return signRevocationList({ ...list, sequence: revocations.length }, this.#signingKeys[0])
  }

  jwks(): { readonly keys: readonly Jwk[] } {
    return { keys: this.#signingKeys.map(publicJwk) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is open; it is here so that tests need not care which issuer they have.
  }
}

function readName(option: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw new Problem('option-invalid', `createTestIssuer: ${option} must be a text`)
}

export const issuerNames: readonly string[] = [
  'issuer',
  'audience',
  'service',
  'algorithm',
  'lifetimeSeconds',
  'nowMs',
]
