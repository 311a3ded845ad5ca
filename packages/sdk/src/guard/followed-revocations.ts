import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import type { KeySet } from '../jwt/key-set.ts'
import { createRevocationFeed } from '../jwt/revocation-feed.ts'
import type { RevocationFeedOptions } from '../jwt/revocation-feed.ts'
import { createRevocations, Revocations } from '../jwt/revocations.ts'

/**
 * What a guard does about revoked tokens: `true` follows what the issuer publishes, an object says how, and a list of
 * `createRevocations` is asked as it is.
 */
export type RevocationsOption = Revocations | true | Omit<RevocationFeedOptions, 'issuer' | 'keySet'>

/** An issuer that publishes what it revokes. */
export type FollowedIssuer = {
  readonly issuer: string
  readonly keySet: KeySet
  readonly allowPrivateAddresses?: boolean
}

/**
 * Makes of the option what the verifier asks.
 *
 * @param issuers those whose feeds there are.
 * @throws Problem `option-invalid`, `option-unknown`.
 */
export function followRevocations(
  option: RevocationsOption | undefined,
  issuers: readonly FollowedIssuer[],
): Revocations | undefined {
  if (option === undefined || option instanceof Revocations) return option
  const options = option === true ? {} : option
  if (typeof options !== 'object' || options === null) {
    throw new Problem(
      'option-invalid',
      'createGuard: revocations must be true, options, or from createRevocations',
    )
  }
  refuseUnknownOptions('createGuard: revocations', options, optionNames)
  if (issuers.length === 0) {
    throw new Problem('option-invalid', 'createGuard: revocations: no issuer of this service publishes any', {
      next: 'take our own issuer’s tokens, or give a list of createRevocations',
    })
  }
  if ('url' in options && issuers.length > 1) {
    throw new Problem(
      'option-invalid',
      'createGuard: revocations: one url cannot be the list of several issuers',
      {
        next: 'leave url out, or give a list of createRevocations with a feed for each',
      },
    )
  }
  return createRevocations({
    sources: issuers.map((issuer) => createRevocationFeed({ ...issuer, ...options })),
  })
}

const optionNames = [
  'url',
  'everySeconds',
  'staleAfterSeconds',
  'onEvent',
  'timeoutMs',
  'allowPrivateAddresses',
  'dangerouslyAllowHttp',
]
