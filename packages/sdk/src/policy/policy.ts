/**
 * What is asked of a principal. All that is named must hold (`roles` and `scopes`: each one listed).
 *
 * With its names given (`Policy<'reader' | 'admin'>`) a misspelt role does not compile.
 *
 * @example
 * { roles: 'admin', scopes: ['invoices:write'] }
 * { anyOf: [{ roles: 'admin' }, { claims: { '/tenant': { equals: 'acme' } } }] }
 */
export type Policy<Role extends string = string, Scope extends string = string> = {
  readonly roles?: Role | readonly Role[]
  readonly scopes?: Scope | readonly Scope[]
  /** JSON Pointer (RFC 6901) into the claims, or the name of a top-level claim → what must hold there. */
  readonly claims?: Readonly<Record<string, ClaimPredicate>>
  readonly anyOf?: readonly Policy<Role, Scope>[]
  readonly allOf?: readonly Policy<Role, Scope>[]
  /**
   * Exactly one thing that must not hold. What the token does not tell is not enough: `not` of an absent claim refuses
   * as well, and so does `not` of a role for somebody without any.
   */
  readonly not?: Policy<Role, Scope>
}

/**
 * What must hold for one claim, exactly and case-sensitively. All that is named must hold; an absent claim, a null, and
 * one of another type satisfy only `exists: false` (absent, null) or nothing.
 */
export type ClaimPredicate = {
  readonly equals?: ClaimValue
  readonly in?: readonly ClaimValue[]
  /** The claim is an array that holds this value. */
  readonly contains?: ClaimValue
  readonly exists?: boolean
  /** The claim is a string that starts with this. */
  readonly prefix?: string
}

export type ClaimValue = string | number | boolean

/** What a request to a route needs: nothing at all, any valid token, or a policy. */
export type Requirement<Role extends string = string, Scope extends string = string> =
  'open' | 'authenticated' | Policy<Role, Scope>
