import type { Clock } from '../core/clock.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import { createRemoteKeySet } from '../jwt/remote-key-set.ts'
import { createVerifier } from '../jwt/verifier.ts'
import type { KeySet } from '../jwt/key-set.ts'
import type { Revocations } from '../jwt/revocations.ts'
import type { Verifier } from '../jwt/verifier.ts'
import type { SharedVerifierOptions, TrustedIssuerOptions } from '../jwt/verifier-options.ts'
import type { CertificateHeader } from '../policy/client-certificate.ts'
import { readPointer } from '../policy/pointer.ts'
import type { Pointer } from '../policy/pointer.ts'
import type { SignedClaims } from '../policy/principal.ts'
import { createSenderConstraint } from '../policy/sender-constraint.ts'
import type { SenderConstraint, SenderConstraintOptions } from '../policy/sender-constraint.ts'
import { dpopPlace, readTokenPlaces } from '../policy/token-places.ts'
import type { TokenPlace, TokenPlaceOption } from '../policy/token-places.ts'
import type { AuthContext } from './auth-context.ts'
import { Callers } from './callers.ts'
import { compileSchema } from './claims-schema.ts'
import type { ClaimsSchema } from './claims-schema.ts'
import type { DecisionEvent } from './decision-event.ts'
import { followRevocations } from './followed-revocations.ts'
import type { RevocationsOption } from './followed-revocations.ts'
import { issuersOf } from './service-terms.ts'
import type { ServiceTerms } from './service-terms.ts'

/** Options of `createGuard`. */
export type GuardOptions<
  Role extends string = string,
  Scope extends string = string,
  Claims extends SignedClaims = SignedClaims,
> = GuardSource<Role, Scope> & {
  /** Where a request may carry its token, in exactly one of them; `['bearer']` unless given. */
  readonly tokenFrom?: readonly TokenPlaceOption[]
  /**
   * What this service's tokens must say besides: any schema of Standard Schema (zod, valibot, ArkType …). `auth.claims` is
   * what it makes of the claims, with its type; a token that it does not take is refused (`claims-mismatch`).
   */
  readonly claims?: ClaimsSchema<Claims>
  /** JSON Pointer (RFC 6901) or name of the claim with the roles; `/roles` unless given. */
  readonly roles?: string
  /** The protection space of challenges (RFC 9110 §11.5); `countersign` unless given. */
  readonly realm?: string
  /** The URL of this service's protected resource metadata (RFC 9728), named in challenges. */
  readonly resourceMetadata?: string
  /**
   * Takes tokens that are bound to their client's key (DPoP, RFC 9449) or certificate (RFC 8705), and checks that it is
   * that client who sends them. `required`: takes no others; `dpop`, `certificate`: only those that are bound in this way.
   * Unless given such tokens are refused, since nobody checks.
   */
  readonly senderConstraint?: SenderConstraintOptions['mode']
  /**
   * With `senderConstraint`: by what URL callers reach this service, up to where its paths begin; of several, any one. DPoP
   * proofs are compared with it, so `certificate` goes without, and then takes no token that is bound to a key as well.
   */
  readonly publicUrl?: string | readonly string[]
  /** With `senderConstraint`: how DPoP proofs are checked, such as nonces to demand. */
  readonly proofs?: SenderConstraintOptions['proofs']
  /** With `senderConstraint`: the header in which a proxy that ends TLS writes down the client's certificate. */
  readonly certificateFrom?: CertificateHeader
  /** Told of each decision, once, before the answer. What it throws is dropped: a full log must not close the door. */
  readonly onDecision?: (event: DecisionEvent) => void
  /** In which adapters run what they let through, so that deeper code finds who acts; see `createAuthContext`. */
  readonly context?: AuthContext<Claims>
  readonly clock?: Clock
}

/**
 * Whose tokens count: those that a service of the trust file takes; an issuer's, whose keys are then discovered unless a
 * key set is given; or those of a verifier of your own.
 */
export type GuardSource<Role extends string = string, Scope extends string = string> =
  | ServiceSource<Role, Scope>
  | { readonly verifier: Verifier }
  | (Omit<TrustedIssuerOptions, 'keySet'> &
      VerifierShare & {
        readonly keySet?: TrustedIssuerOptions['keySet']
        /** The issuer's name may lead to an address inside of your own network; refused unless given. */
        readonly allowPrivateAddresses?: boolean
      })

type VerifierShare = Pick<SharedVerifierOptions, 'clockToleranceSeconds' | 'maxLifetimeSeconds'> & {
  /** `true`: refuses what the issuer revokes, by following its feed. */
  readonly revocations?: RevocationsOption
}

/** A service of the trust file, from the module that `countersign types` writes. */
export type ServiceSource<Role extends string = string, Scope extends string = string> = {
  readonly service: ServiceTerms<Role, Scope>
  /**
   * A guard cannot ask the conditions (`when`) of the trust file. Where a service has some, this says that it is reached
   * through the gateway alone, which asks them.
   */
  readonly conditions?: 'checked-by-gateway'
  /** Key sets at hand, by issuer; needed for those whose key is a shared secret. The others' are discovered. */
  readonly keySets?: Readonly<Record<string, KeySet>>
} & VerifierShare

/** A guard's options, ready for the path of a request. */
export type GuardSettings = {
  readonly verifier: Verifier
  /** What the verifier asks; a verifier of somebody else's does not tell. */
  readonly revocations: Revocations | undefined
  readonly constraint: SenderConstraint | undefined
  readonly places: readonly TokenPlace[]
  readonly callers: Callers
}

/** Reads a guard's options once. @throws Problem `option-invalid`, `option-unknown`, `policy-invalid`. */
export function compileOptions(options: GuardOptions): GuardSettings {
  refuseUnknownOptions('createGuard', options, isObject(options) ? namesOf(options) : [])
  const { verifier, revocations } = verifierOf(options)
  const constraint = constraintOf(options, verifier)
  const fromFile = 'service' in options ? options.service.tokenFrom : undefined
  const places = readTokenPlaces(options.tokenFrom ?? fromFile ?? ['bearer'])
  return {
    verifier,
    revocations,
    constraint,
    places: constraint === undefined ? places : [...places, dpopPlace],
    callers: new Callers(
      rolesOf(options),
      options.claims === undefined ? undefined : compileSchema(options.claims),
    ),
  }
}

function isObject(options: unknown): boolean {
  return typeof options === 'object' && options !== null
}

function namesOf(options: GuardOptions): readonly string[] {
  if ('verifier' in options) return [...sharedNames, 'verifier', 'roles']
  return 'service' in options
    ? [...sharedNames, ...serviceNames, ...verifierNames, 'revocations']
    : [...sharedNames, ...issuerNames, ...verifierNames, 'revocations']
}

/** Where roles are in the claims may differ from issuer to issuer of a trust file. */
function rolesOf(options: GuardOptions): (issuer: string) => Pointer {
  const fallback = readPointer(options.roles ?? '/roles', 'createGuard: roles')
  if (!('service' in options)) return () => fallback
  const byIssuer = new Map(
    options.service.issuers.map(({ issuer, roles }) => [
      issuer,
      roles === undefined ? fallback : readPointer(roles, `createGuard: service: roles of ${issuer}`),
    ]),
  )
  return (issuer) => byIssuer.get(issuer) ?? fallback
}

function verifierOf(options: GuardOptions): Pick<GuardSettings, 'verifier' | 'revocations'> {
  if ('verifier' in options) return { verifier: options.verifier, revocations: undefined }
  const confirmation = options.senderConstraint === undefined ? 'refused' : 'checked-by-caller'
  const shared = { ...picked(options, verifierNames), confirmation } as const
  if ('service' in options) {
    refuseUncheckedConditions(options)
    const issuers = issuersOf(options.service, options.keySets ?? {}, options.clock)
    const publishing = options.service.issuers.flatMap(
      ({ issuer, publishesRevocations, allowPrivateAddresses }) => {
        const { keySet } = issuers.find((one) => one.issuer === issuer)!
        const inside = allowPrivateAddresses === true ? { allowPrivateAddresses } : {}
        return publishesRevocations === true ? [{ issuer, keySet, ...inside }] : []
      },
    )
    const revocations = followRevocations(options.revocations, publishing)
    return { verifier: createVerifier({ ...shared, ...asked(revocations), issuers }), revocations }
  }
  const { issuer, audience, algorithms, clock } = options
  const inside = picked(options, ['allowPrivateAddresses'])
  const keySet =
    options.keySet ??
    createRemoteKeySet({
      issuer,
      ...inside,
      ...(algorithms === undefined ? {} : { algorithms }),
      ...(clock === undefined ? {} : { clock }),
    })
  const revocations = followRevocations(options.revocations, [{ issuer, keySet, ...inside }])
  const expected = picked(options, expectationNames)
  const verifier = createVerifier({
    ...shared,
    ...asked(revocations),
    ...expected,
    issuer,
    audience,
    keySet,
  })
  return { verifier, revocations }
}

function asked(revocations: Revocations | undefined): Pick<SharedVerifierOptions, 'revocations'> {
  return revocations === undefined ? {} : { revocations }
}

/** A guard that leaves a condition out lets more through than the file says. */
function refuseUncheckedConditions({ service, conditions }: ServiceSource): void {
  if (conditions !== undefined && conditions !== 'checked-by-gateway') {
    throw new Problem('option-invalid', "createGuard: conditions: expected 'checked-by-gateway'")
  }
  const [route] = Object.keys(service.conditions ?? {})
  if (route === undefined || conditions !== undefined) return
  throw new Problem(
    'option-invalid',
    `createGuard: ${service.name}: ${route} has a condition that no guard can ask`,
    {
      next: "set conditions: 'checked-by-gateway' if the gateway is the only way to this service",
    },
  )
}

function picked<Given extends object, Name extends keyof Given>(
  given: Given,
  names: readonly Name[],
): Pick<Given, Name> {
  const pairs = names.filter((name) => given[name] !== undefined).map((name) => [name, given[name]])
  return Object.fromEntries(pairs) as Pick<Given, Name>
}

function constraintOf(options: GuardOptions, verifier: Verifier): SenderConstraint | undefined {
  const { publicUrl, proofs, certificateFrom } = options
  const mode = 'service' in options ? modeOf(options, options.service) : options.senderConstraint
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
    // Where it is missing and needed, that is refused there.
    publicUrl: publicUrl!,
    ...(proofs === undefined ? {} : { proofs }),
    ...(certificateFrom === undefined ? {} : { certificateFrom }),
  })
}

/** What the trust file asks of a service's tokens, its guard asks as well. */
function modeOf(
  { senderConstraint: mode }: Pick<GuardOptions, 'senderConstraint'>,
  { name, bind }: ServiceTerms,
): SenderConstraintOptions['mode'] | undefined {
  if (bind === undefined) return mode
  const asked = bind === 'any' ? 'required' : bind
  if (mode === 'required' || mode === asked) return asked
  if (bind === 'any' && mode !== undefined && mode !== 'accepted') return mode
  throw new Problem(
    'option-invalid',
    `createGuard: ${name} takes bound tokens only${bind === 'any' ? '' : ` (${bind})`}`,
    {
      next:
        bind === 'certificate'
          ? "set senderConstraint: 'certificate'"
          : "set senderConstraint: 'required' and publicUrl",
    },
  )
}

const verifierNames = ['clockToleranceSeconds', 'maxLifetimeSeconds', 'clock'] as const
const expectationNames = ['algorithms', 'types', 'requiredClaims'] as const
const issuerNames = ['issuer', 'audience', 'keySet', 'allowPrivateAddresses', 'roles', ...expectationNames]
const serviceNames = ['service', 'keySets', 'conditions']
const constraintNames = ['publicUrl', 'proofs', 'certificateFrom'] as const
const sharedNames = [
  'tokenFrom',
  'claims',
  'context',
  'realm',
  'resourceMetadata',
  'senderConstraint',
  ...constraintNames,
  'onDecision',
  'clock',
]
