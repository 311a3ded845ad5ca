import { deny } from '../core/denial.ts'
import type { Denial } from '../core/denial.ts'
import type { VerifiedToken } from '../jwt/verified-token.ts'
import { KnownNames, NameSet } from './name-set.ts'
import { lookUp, readPointer } from './pointer.ts'
import type { Pointer } from './pointer.ts'

/**
 * Who acts: the identity a verified token gives to the rest of the request.
 *
 * `subject` is whom the request is about (a client, or an end user whose identity travels), `actor` is who is acting
 * for that subject right now (RFC 8693 §4.1: the outermost `act`), with its own `actor` for the hop before.
 */
export type Principal<Claims extends SignedClaims = SignedClaims> = {
  /** For display. Nothing may be decided by it: whoever wants only clients asks for a role or a claim. */
  readonly kind: 'client' | 'user'
  /** The `iss` claim. */
  readonly issuer: string
  /** The `sub` claim; undefined when the issuer names nobody (the tutorial's tokens). */
  readonly subject: string | undefined
  /** The `client_id` claim (RFC 9068 §2.2), or `azp`; undefined when the issuer names no client. */
  readonly clientId: string | undefined
  readonly actor: Actor | undefined
  readonly scopes: ReadonlySet<string>
  readonly roles: ReadonlySet<string>
  /** The `jti` claim, which joins the records of issuer, gateway and guard. */
  readonly tokenId: string | undefined
  /** When the token ends, seconds since the epoch; Infinity for a token without `exp`, where that was allowed. */
  readonly expiresAtSeconds: number
  /** All claims, deeply frozen, as the issuer signed them; or what the guard's own schema made of them. */
  readonly claims: Claims
}

/** Claims of which nothing is known but their names. */
export type SignedClaims = Readonly<Record<string, unknown>>

export type Actor = {
  readonly subject: string
  readonly issuer: string | undefined
  readonly actor: Actor | undefined
}

/** How an issuer's claims are read. */
export type ClaimMapping = {
  /** JSON Pointer (RFC 6901), or the name of a top-level claim, to the roles: a list of strings, or one. `/roles`. */
  readonly roles?: string
}

/**
 * Reads who acts from a verified token.
 *
 * Roles of another shape than a list of strings (or one string, taken whole) are no roles at all: neither an element
 * that is no string nor its neighbours count. A chain of actors that cannot be read refuses the token, since dropping
 * it would make a delegated call look like a direct one.
 *
 * @returns the principal, frozen; or the denial `claim-malformed`.
 * @throws Problem `policy-invalid` for a mapping that is no pointer.
 * @example
 * const principal = readPrincipal(verification.token, { roles: '/realm_access/roles' })
 * if ('reason' in principal) return principal
 */
export function readPrincipal(token: VerifiedToken, mapping: ClaimMapping = {}): Principal | Denial {
  return principalOf(token, mapping.roles === undefined ? defaultRoles : readPointer(mapping.roles, 'roles'))
}

/** The same with the pointer already read. */
export function principalOf(token: VerifiedToken, roles: Pointer): Principal | Denial {
  const { claims } = token
  const actor = readActor(claims['act'], maxActors)
  if (actor !== undefined && 'reason' in actor) return actor
  return Object.freeze({
    kind: readKind(token),
    issuer: token.issuer,
    subject: token.subject,
    clientId: token.clientId,
    actor,
    scopes: scopesOf(token),
    roles: rolesOf(lookUp(claims, roles)),
    tokenId: token.tokenId,
    expiresAtSeconds: token.expiresAtSeconds,
    claims,
  })
}

function scopesOf(token: VerifiedToken): ReadonlySet<string> {
  const text = token.claims['scope']
  // Not asked for where they are known: a token keeps the list that it makes of them.
  return typeof text === 'string' ? knownScopes.get(text, () => token.scopes) : new NameSet(token.scopes)
}

function rolesOf(value: unknown): ReadonlySet<string> {
  const roles = readRoles(value)
  // As JSON, since that tells any two lists apart, whatever their names are made of.
  return roles.length === 0 ? noRoles : knownRoles.get(JSON.stringify(roles), () => roles)
}

/** RFC 9068 §2.2: a client that asks for itself is its own subject. Entra ID and Auth0 say it in a claim of theirs. */
function readKind({ subject, clientId, claims }: VerifiedToken): 'client' | 'user' {
  const isClient =
    subject === undefined ||
    subject === clientId ||
    claims['idtyp'] === 'app' ||
    claims['gty'] === 'client-credentials'
  return isClient ? 'client' : 'user'
}

function readRoles(value: unknown): readonly string[] {
  if (typeof value === 'string') return value === '' ? [] : [value]
  if (!Array.isArray(value)) return []
  return value.every((role) => typeof role === 'string' && role !== '') ? (value as string[]) : []
}

function readActor(act: unknown, depth: number): Actor | Denial | undefined {
  if (act === undefined) return undefined
  if (depth === 0) return tooManyActors
  if (typeof act !== 'object' || act === null || Array.isArray(act)) return malformedActor
  const { sub, iss, act: before } = act as Record<string, unknown>
  if (typeof sub !== 'string' || sub === '' || (iss !== undefined && typeof iss !== 'string'))
    return malformedActor
  const actor = readActor(before, depth - 1)
  if (actor !== undefined && 'reason' in actor) return actor
  return Object.freeze({ subject: sub, issuer: iss, actor })
}

const defaultRoles: Pointer = ['roles']

const knownScopes = new KnownNames()
const knownRoles = new KnownNames()
const noRoles = new NameSet([])

/** More hops than any call chain should have; every further one is a claim to read at every service. */
export const maxActors = 16

const malformedActor = Object.freeze(
  deny('claim-malformed', 'act is not an actor with a sub (RFC 8693 §4.1)'),
)
const tooManyActors = Object.freeze(deny('claim-malformed', `act names more than ${maxActors} actors`))
