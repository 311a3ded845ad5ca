import type { Denial } from '../core/denial.ts'
import { isPending } from '../core/pending.ts'
import { rememberShownToken } from '../core/shown-token.ts'
import { VerifiedToken } from '../jwt/verified-token.ts'
import type { Pointer } from '../policy/pointer.ts'
import { principalOf } from '../policy/principal.ts'
import type { Principal } from '../policy/principal.ts'
import type { CheckedClaims, ClaimsCheck } from './claims-schema.ts'

/** Who acts in a request. */
export type Caller = {
  /** As the issuer signed it: what policies ask. */
  readonly principal: Principal
  /** What the service gets; the same, unless a schema makes other claims of its claims. */
  readonly auth: Principal
}

/** Reads who acts from verified tokens: once for each token, since the verifier gives the same object for it. */
export class Callers {
  readonly #rolesOf: (issuer: string) => Pointer
  readonly #check: ClaimsCheck | undefined

  /** @param rolesOf where an issuer's tokens have their roles. */
  constructor(rolesOf: (issuer: string) => Pointer, check: ClaimsCheck | undefined) {
    this.#rolesOf = rolesOf
    this.#check = check
  }

  /**
   * @param text the token itself, which is remembered for whoever acts on its behalf.
   * @returns a promise only where the schema gives one.
   * @throws Problem `claims-unchecked`
   */
  of(token: VerifiedToken, text: string): Caller | Denial | Promise<Caller | Denial> {
    const known = VerifiedToken.noteOf(token, this) as Caller | Denial | undefined
    if (known !== undefined) return known
    const principal = principalOf(token, this.#rolesOf(token.issuer))
    if ('reason' in principal) return this.#keep(token, principal)
    if (this.#check === undefined) {
      rememberShownToken(principal, text)
      return this.#keep(token, { principal, auth: principal })
    }
    const checked = this.#check(principal.claims)
    return isPending(checked)
      ? checked.then((settled) => this.#keep(token, callerOf(principal, settled, text)))
      : this.#keep(token, callerOf(principal, checked, text))
  }

  #keep(token: VerifiedToken, caller: Caller | Denial): Caller | Denial {
    VerifiedToken.note(token, this, caller)
    return caller
  }
}

function callerOf(principal: Principal, checked: CheckedClaims | Denial, text: string): Caller | Denial {
  if ('reason' in checked) return checked
  const auth = Object.freeze({ ...principal, claims: checked.claims })
  rememberShownToken(auth, text)
  return { principal, auth }
}
