import { deny } from '../core/denial.ts'
import type { Denial } from '../core/denial.ts'
import { isPending } from '../core/pending.ts'
import { Problem } from '../core/problem.ts'
import type { SignedClaims } from '../policy/principal.ts'

/** A schema as Standard Schema v1 has it (https://standardschema.dev): zod, valibot, ArkType and others are that. */
export type ClaimsSchema<Claims> = {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Claims> | Promise<SchemaResult<Claims>>
    /** For the compiler alone. */
    readonly types?: { readonly input: unknown; readonly output: Claims } | undefined
  }
}

type SchemaResult<Claims> =
  { readonly value: Claims; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] }

type SchemaIssue = {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** Asks a schema about a token's claims; a promise only where the schema itself gives one. */
export type ClaimsCheck = (claims: SignedClaims) => CheckedClaims | Denial | Promise<CheckedClaims | Denial>

/** What a schema made of the claims; wrapped, since a claim may be named like a denial's member. */
export type CheckedClaims = { readonly claims: SignedClaims }

/**
 * Makes a schema ready to be asked.
 *
 * @returns (when asked) what the schema gives, frozen; or the denial `claims-mismatch`, whose detail names the claims and
 *   never what stood in them.
 * @throws Problem `option-invalid` for something that is no schema. (When asked) Problem `claims-unchecked`: a schema
 *   that fails itself has not said that the token is good, nor that it is bad.
 */
export function compileSchema(schema: ClaimsSchema<SignedClaims>): ClaimsCheck {
  // Some are functions with that property.
  const isAnything = (typeof schema === 'object' || typeof schema === 'function') && schema !== null
  const standard = isAnything ? schema['~standard'] : undefined
  if (standard?.version !== 1 || typeof standard.validate !== 'function') {
    throw new Problem(
      'option-invalid',
      'createGuard: claims: expected a schema of Standard Schema, version 1',
      {
        next: 'give a schema object of zod, valibot, ArkType or the like',
      },
    )
  }
  return (claims) => {
    let result: SchemaResult<SignedClaims> | Promise<SchemaResult<SignedClaims>>
    try {
      result = standard.validate(claims)
    } catch {
      throw unchecked()
    }
    // Made a promise of ours: some libraries give one of their own kind.
    return isPending(result) ? Promise.resolve(result).then(read, throwUnchecked) : read(result)
  }
}

function read(result: SchemaResult<SignedClaims>): CheckedClaims | Denial {
  if (typeof result !== 'object' || result === null) throw unchecked()
  if (result.issues !== undefined) {
    return deny(
      'claims-mismatch',
      `the service's schema does not take the claims: ${placesOf(result.issues)}`,
    )
  }
  if (typeof result.value !== 'object' || result.value === null) throw unchecked()
  return { claims: freezePlain(result.value) }
}

/** Where it failed, and no more: a message may quote the claim, and a claim may be anything. */
function placesOf(issues: readonly SchemaIssue[]): string {
  const places = issues.slice(0, 5).map(({ path = [] }) => {
    const keys = path.map((part) => String(typeof part === 'object' ? part.key : part))
    return keys.length === 0 ? 'as a whole' : JSON.stringify(`/${keys.join('/')}`)
  })
  return [...new Set(places)].join(', ')
}

function throwUnchecked(): never {
  throw unchecked()
}

/** Its cause is left out: it may quote the claims. */
function unchecked(): Problem {
  return new Problem(
    'claims-unchecked',
    "the schema for the claims failed, so it isn't known whether they are good",
    {
      next: 'look at what the schema calls: it must give issues, and not throw',
    },
  )
}

/** What a schema makes may hold dates and other classes, which are left as they are. */
function freezePlain<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return value
  for (const inner of Object.values(value)) freezePlain(inner)
  return Object.freeze(value)
}
