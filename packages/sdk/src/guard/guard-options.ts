import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import { createRemoteKeySet } from '../jwt/remote-key-set.ts'
import { createVerifier } from '../jwt/verifier.ts'
import type { Verifier } from '../jwt/verifier.ts'
import { readPointer } from '../policy/pointer.ts'
import type { Pointer } from '../policy/pointer.ts'
import { createSenderConstraint } from '../policy/sender-constraint.ts'
import type { SenderConstraint } from '../policy/sender-constraint.ts'
import { dpopPlace, readTokenPlaces } from '../policy/token-places.ts'
import type { TokenPlace } from '../policy/token-places.ts'
import type { GuardOptions, GuardSource } from './guard.ts'

/** A guard's options, ready for the path of a request. */
export type GuardSettings = {
  readonly verifier: Verifier
  readonly constraint: SenderConstraint | undefined
  readonly places: readonly TokenPlace[]
  readonly roles: Pointer
}

/** Reads a guard's options once. @throws Problem `option-invalid`, `option-unknown`, `policy-invalid`. */
export function compileOptions(options: GuardOptions): GuardSettings {
  refuseUnknownOptions(
    'createGuard',
    options,
    'verifier' in options ? sharedNames : [...sharedNames, ...issuerNames],
  )
  const verifier = 'verifier' in options ? options.verifier : verifierOf(options)
  const constraint = constraintOf(options, verifier)
  const places = readTokenPlaces(options.tokenFrom ?? ['bearer'])
  return {
    verifier,
    constraint,
    places: constraint === undefined ? places : [...places, dpopPlace],
    roles: readPointer(options.roles ?? '/roles', 'createGuard: roles'),
  }
}

function verifierOf(
  options: Exclude<GuardSource, { verifier: Verifier }> & Pick<GuardOptions, 'clock' | 'senderConstraint'>,
): Verifier {
  const { issuer, audience, algorithms, clock } = options
  const given = Object.fromEntries(
    passedOn.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
  ) as Pick<typeof options, (typeof passedOn)[number]>
  const keySet =
    options.keySet ??
    createRemoteKeySet({
      issuer,
      ...(algorithms === undefined ? {} : { algorithms }),
      ...(clock === undefined ? {} : { clock }),
    })
  const confirmation = options.senderConstraint === undefined ? 'refused' : 'checked-by-caller'
  return createVerifier({ ...given, issuer, audience, keySet, confirmation })
}

function constraintOf(options: GuardOptions, verifier: Verifier): SenderConstraint | undefined {
  const { senderConstraint: mode, publicUrl, proofs, certificateFrom } = options
  if (mode === undefined) {
    const idle = constraintNames.find((name) => options[name] !== undefined)
    if (idle === undefined) return undefined
    throw new Problem('option-invalid', `createGuard: ${idle} counts only with senderConstraint`, {
      next: "set senderConstraint: 'accepted', or 'required'",
    })
  }
  if (verifier.confirmation !== 'checked-by-caller') {
    throw new Problem(
      'option-invalid',
      'createGuard: the verifier refuses every token that is bound to a key',
      {
        next: "make it with confirmation: 'checked-by-caller'",
      },
    )
  }
  return createSenderConstraint({
    mode,
    publicUrl: publicUrl!,
    ...(proofs === undefined ? {} : { proofs }),
    ...(certificateFrom === undefined ? {} : { certificateFrom }),
  })
}

const passedOn = [
  'algorithms',
  'types',
  'requiredClaims',
  'clockToleranceSeconds',
  'maxLifetimeSeconds',
  'revocations',
  'clock',
] as const
const issuerNames = ['issuer', 'audience', 'keySet', ...passedOn]
const constraintNames = ['publicUrl', 'proofs', 'certificateFrom'] as const
const sharedNames = [
  'verifier',
  'tokenFrom',
  'roles',
  'realm',
  'resourceMetadata',
  'senderConstraint',
  ...constraintNames,
  'onDecision',
  'clock',
]
