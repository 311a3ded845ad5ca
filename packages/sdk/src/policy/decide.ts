import type { Denial } from '../core/denial.ts'
import type { Principal, SignedClaims } from './principal.ts'

/** What was decided about one request. */
export type Decision<Claims extends SignedClaims = SignedClaims> =
  | {
      readonly kind: 'allow'
      /** Undefined on an open route: nobody was asked who they are. */
      readonly principal: Principal<Claims> | undefined
      /** The template of the route that decided; undefined where there is one requirement for everything. */
      readonly route: string | undefined
      /** The route's parameters by name, percent-decoded. */
      readonly params: Readonly<Record<string, string>>
      /** What the answer should carry besides: a new `DPoP-Nonce` (RFC 9449 §8.2), where the one used has aged. */
      readonly responseHeaders?: Readonly<Record<string, string>>
    }
  | {
      readonly kind: 'deny'
      readonly denial: Denial
      readonly route: string | undefined
      /** Every scope the route asks for, for the challenge. */
      readonly scopes: readonly string[]
      /** The methods the path has, for a `method-unknown`. */
      readonly allow: readonly string[]
    }
