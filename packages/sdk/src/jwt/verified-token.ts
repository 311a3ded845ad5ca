import type { StrictJson } from '../core/json.ts'
import { freezeDeep } from '../core/freeze.ts'
import type { VerificationKey } from './key.ts'
import type { ProtectedHeader } from './compact.ts'

/** What a token is bound to (RFC 7800 §3.1): whoever shows it must hold all of these. */
export type Confirmation = {
  /** The RFC 7638 thumbprint of a key, `jkt` (RFC 9449 §6.1); shown by a DPoP proof. */
  readonly keyThumbprint: string | undefined
  /** The SHA-256 of a client certificate, base64url, `x5t#S256` (RFC 8705 §3.1); shown by the TLS connection. */
  readonly certificateThumbprint: string | undefined
}

/**
 * A token whose signature and claims have been checked. Only the verifier makes one: the class is exported as a type
 * alone and holds private fields, so a look-alike does not compile, and a spread of one has lost them.
 *
 * It may be shared by many requests, so nothing about it can be changed.
 */
export class VerifiedToken {
  readonly #header: ProtectedHeader
  readonly #claims: StrictJson
  readonly #key: VerificationKey
  #frozenClaims: StrictJson | undefined
  #scopes: readonly string[] | undefined
  #audience: readonly string[] | undefined
  #confirmation: Confirmation | undefined
  #noteOwner: object | undefined
  #note: unknown

  constructor(header: ProtectedHeader, claims: StrictJson, key: VerificationKey) {
    this.#header = header
    this.#claims = claims
    this.#key = key
    Object.freeze(this)
  }

  /** The `iss` claim. */
  get issuer(): string {
    return this.#claims['iss'] as string
  }

  /** The `sub` claim. */
  get subject(): string | undefined {
    return this.#claims['sub'] as string | undefined
  }

  /** The `aud` claim, always as a list. */
  get audience(): readonly string[] {
    this.#audience ??= Object.freeze(asList(this.#claims['aud']))
    return this.#audience
  }

  /** The `client_id` claim (RFC 9068 §2.2), else `azp`. */
  get clientId(): string | undefined {
    return (this.#claims['client_id'] ?? this.#claims['azp']) as string | undefined
  }

  /** The `jti` claim. */
  get tokenId(): string | undefined {
    return this.#claims['jti'] as string | undefined
  }

  /** The `iat` claim, seconds since the epoch. */
  get issuedAtSeconds(): number | undefined {
    return this.#claims['iat'] as number | undefined
  }

  /** The `exp` claim, seconds since the epoch; Infinity for a token without one, where that was allowed. */
  get expiresAtSeconds(): number {
    return (this.#claims['exp'] as number | undefined) ?? Number.POSITIVE_INFINITY
  }

  /** The `scope` claim (RFC 9068 §2.2.3), or `scp`, as a list. */
  get scopes(): readonly string[] {
    this.#scopes ??= Object.freeze(asScopes(this.#claims['scope'] ?? this.#claims['scp']))
    return this.#scopes
  }

  /**
   * The `cnf` claim: undefined for a bearer token. With both thumbprints undefined it is bound in a way that is not
   * known here. Only a verifier with `confirmation: 'checked-by-caller'` lets such a token through.
   */
  get confirmation(): Confirmation | undefined {
    const cnf = this.#claims['cnf'] as { jkt?: string; 'x5t#S256'?: string } | undefined
    if (cnf === undefined) return undefined
    this.#confirmation ??= Object.freeze({ keyThumbprint: cnf.jkt, certificateThumbprint: cnf['x5t#S256'] })
    return this.#confirmation
  }

  /** All claims, deeply frozen, without a prototype: own members are all there is. */
  get claims(): StrictJson {
    // Frozen on first use: most requests read two or three claims and never the object.
    this.#frozenClaims ??= freezeDeep(this.#claims)
    return this.#frozenClaims
  }

  /** The protected header, deeply frozen, without a prototype. */
  get header(): StrictJson {
    return freezeDeep(this.#header.members)
  }

  /** The key id that verified it: the key's own, else the token's. */
  get keyId(): string | undefined {
    return this.#key.keyId ?? this.#header.keyId
  }

  /** For guards alone: what this owner has noted about it; undefined when nothing, or another has since. */
  static noteOf(token: VerifiedToken, owner: object): unknown {
    return #noteOwner in token && token.#noteOwner === owner ? token.#note : undefined
  }

  /** One note, since nearly every token meets one guard. A map with weak keys costs the garbage collector more than it saves. */
  static note(token: VerifiedToken, owner: object, note: unknown): void {
    // A token of another copy of this package has no place for it.
    if (!(#noteOwner in token)) return
    token.#noteOwner = owner
    token.#note = note
  }

  /** For the token cache alone: the very key that verified it. */
  static key(token: VerifiedToken): VerificationKey {
    return token.#key
  }
}

function asList(value: unknown): string[] {
  return typeof value === 'string' ? [value] : Array.isArray(value) ? [...(value as string[])] : []
}

function asScopes(value: unknown): string[] {
  if (typeof value === 'string') return value.split(' ').filter((scope) => scope !== '')
  return asList(value)
}
