import { Problem } from '../core/problem.ts'
import type { Clock } from '../core/clock.ts'
import type { Algorithm } from '../jwt/algorithms.ts'
import type { KeySet } from '../jwt/key-set.ts'
import { createRemoteKeySet } from '../jwt/remote-key-set.ts'
import type { TrustedIssuerOptions } from '../jwt/verifier-options.ts'
import type { Requirement } from '../policy/policy.ts'
import type { TokenPlaceOption } from '../policy/token-places.ts'

/**
 * What the trust file says of one service, as `countersign types` writes it down in a module of its own: so that the
 * guard enforces the file without reading it, and the compiler knows its names.
 */
export type ServiceTerms<Role extends string = string, Scope extends string = string> = {
  readonly name: string
  /** The `aud` of our own issuer's tokens for it. */
  readonly audience: string
  readonly roles: readonly Role[]
  readonly scopes: readonly Scope[]
  /** Whose tokens it takes. */
  readonly issuers: readonly ServiceIssuer[]
  readonly tokenFrom: readonly TokenPlaceOption[]
  /** It takes only tokens that are bound to their client, in this way: its guard needs `senderConstraint: 'required'`. */
  readonly bind?: 'dpop' | 'certificate' | 'any'
  /** What routes ask for besides, in CEL, which no guard reads; by route. The gateway asks it. */
  readonly conditions?: Readonly<Record<string, string>>
  readonly routes: Readonly<Record<string, Requirement<NoInfer<Role>, NoInfer<Scope>>>>
}

/** An issuer whose tokens a service takes, and what it is trusted with. */
export type ServiceIssuer = {
  readonly issuer: string
  readonly audience: string
  readonly algorithms?: readonly Algorithm[]
  readonly types?: readonly string[]
  /** Where its keys are; otherwise they are discovered. */
  readonly jwksUri?: string
  /** JSON Pointer to the roles in its claims. */
  readonly roles?: string
  /** Its key is a shared secret, which no module may hold: `keySets` must have it. */
  readonly hasSecret?: true
  /** It publishes what it revokes, which the guard's option `revocations` follows. */
  readonly publishesRevocations?: true
  /** It may be inside of our own network. */
  readonly allowPrivateAddresses?: true
}

/** What the verifier of a service expects of its issuers. */
export function issuersOf(
  { name, issuers }: ServiceTerms,
  keySets: Readonly<Record<string, KeySet>>,
  clock: Clock | undefined,
): TrustedIssuerOptions[] {
  const stray = Object.keys(keySets).find((url) => !issuers.some(({ issuer }) => issuer === url))
  if (stray !== undefined) {
    throw new Problem(
      'option-invalid',
      `createGuard: keySets: ${name} takes no tokens of ${JSON.stringify(stray)}`,
    )
  }
  if (issuers.length === 0) {
    throw new Problem('option-invalid', `createGuard: the service ${name} takes nobody's tokens`, {
      next: 'name an issuer, or what it accepts, in the trust file; then `countersign types`',
    })
  }
  return issuers.map(({ issuer, audience, algorithms, types, jwksUri, hasSecret, allowPrivateAddresses }) => {
    const given = Object.hasOwn(keySets, issuer) ? keySets[issuer] : undefined
    if (hasSecret === true && given === undefined) {
      throw new Problem(
        'option-invalid',
        `createGuard: keySets: the secret of ${JSON.stringify(issuer)} is missing`,
        {
          next: 'give { [issuer]: createKeySet([readSecretKey(…)]) }: a secret is in no module',
        },
      )
    }
    const keySet =
      given ??
      createRemoteKeySet({
        issuer,
        ...(algorithms === undefined ? {} : { algorithms }),
        ...(jwksUri === undefined ? {} : { jwksUri }),
        ...(allowPrivateAddresses === true ? { allowPrivateAddresses } : {}),
        ...(clock === undefined ? {} : { clock }),
      })
    return {
      issuer,
      audience,
      keySet,
      ...(algorithms === undefined ? {} : { algorithms }),
      ...(types === undefined ? {} : { types }),
    }
  })
}
