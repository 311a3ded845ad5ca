import type { Denial } from '@countersign/sdk/core'
import type { VerifiedToken } from '@countersign/sdk/jwt'
import { readPrincipal } from '@countersign/sdk/policy'
import type { Principal } from '@countersign/sdk/policy'
import { identityHeaders, readClaimHeaders } from './identity.ts'
import type { ClaimHeaders } from './identity.ts'
import type { ReadyRoute } from './routes.ts'

/**
 * What one service has found out about verified tokens, so that a repeated token costs a look-up: who it stands for,
 * the header lines that say so, and which routes it may use.
 *
 * Nothing here says that a token is good. The verifier is asked first on every request and hands out one and the same
 * object as long as a token stays good; what is kept here hangs on that object and goes with it, and whatever the
 * policy of a service can look at is in the token, so the answer for a token and a route never changes.
 */
export class TokenFacts {
  readonly #rolesOf: ReadonlyMap<string, string | undefined>
  readonly #claimHeaders: ClaimHeaders
  readonly #facts = new WeakMap<VerifiedToken, Facts>()

  /**
   * @param rolesOf JSON Pointers to the roles, by issuer, where it is not the usual claim
   * @param claimHeaders headers that are filled from claims
   */
  constructor(rolesOf: ReadonlyMap<string, string | undefined>, claimHeaders?: ReadonlyMap<string, string>) {
    this.#rolesOf = rolesOf
    this.#claimHeaders = readClaimHeaders(claimHeaders)
  }

  /** Who acts, and the identity to send along, whatever any route says. */
  allowanceOf(token: VerifiedToken): Allowance | Denial {
    return this.#factsOf(token).allowance
  }

  /** Whether the token may use the route, and the identity to send along. At most one entry a route and token. */
  decide(token: VerifiedToken, route: ReadyRoute): Allowance | Denial {
    const facts = this.#factsOf(token)
    if (facts.lastRoute === route) return facts.lastVerdict!
    const verdict = facts.verdicts?.get(route) ?? judge(facts.allowance, route)
    // Most tokens are used for one route, and need no map.
    if (facts.lastRoute !== undefined) {
      facts.verdicts ??= new Map([[facts.lastRoute, facts.lastVerdict!]])
      facts.verdicts.set(route, verdict)
    }
    facts.lastRoute = route
    facts.lastVerdict = verdict
    return verdict
  }

  #factsOf(token: VerifiedToken): Facts {
    let facts = this.#facts.get(token)
    if (facts === undefined) {
      facts = this.#read(token)
      this.#facts.set(token, facts)
    }
    return facts
  }

  #read(token: VerifiedToken): Facts {
    return {
      allowance: this.#allowance(token),
      verdicts: undefined,
      lastRoute: undefined,
      lastVerdict: undefined,
    }
  }

  #allowance(token: VerifiedToken): Allowance | Denial {
    const roles = this.#rolesOf.get(token.issuer)
    const principal = readPrincipal(token, roles === undefined ? {} : { roles })
    if ('reason' in principal) return principal
    const identity = identityHeaders(principal, this.#claimHeaders)
    return typeof identity === 'string' ? Object.freeze({ principal, identity }) : identity
  }
}

/** Who acts, and how the upstream is told. */
export type Allowance = {
  /** Undefined on an open route, where nobody was asked. */
  readonly principal: Principal | undefined
  /** Header lines, each with its CRLF. */
  readonly identity: string
}

type Facts = {
  readonly allowance: Allowance | Denial
  verdicts: Map<ReadyRoute, Allowance | Denial> | undefined
  lastRoute: ReadyRoute | undefined
  lastVerdict: Allowance | Denial | undefined
}

function judge(allowance: Allowance | Denial, route: ReadyRoute): Allowance | Denial {
  if ('reason' in allowance) return allowance
  return route.denialOf(allowance.principal!) ?? allowance
}
