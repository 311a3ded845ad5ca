import { maxActors } from './principal.ts'
import type { Actor } from './principal.ts'

/** RFC 8693 §4.1: who, and nothing that is about a token, such as `exp` or `aud`. */
export type ActorClaim = { readonly sub: string; readonly iss?: string; readonly act?: ActorClaim }

/** A token from which another one descends. */
export type Ancestor = { readonly iss: string; readonly jti: string }

/**
 * The chain of actors with a new one in front: outermost is who acts now, nested are those before (RFC 8693 §4.1).
 *
 * @returns undefined for a chain longer than {@link readPrincipal} takes, which every service would refuse.
 * @example
 * nestActors({ sub: 'billing-api', iss: 'https://issuer.example' }, principal.actor)
 */
export function nestActors(
  { sub, iss }: Omit<ActorClaim, 'act'>,
  before: Actor | undefined,
): ActorClaim | undefined {
  let depth = 1
  for (let actor = before; actor !== undefined; actor = actor.actor) depth++
  if (depth > maxActors) return undefined
  return claimOf({ subject: sub, issuer: iss, actor: before })
}

/**
 * Whether `may_act` (RFC 8693 §4.4) names this actor. Every member it has must be met, and one that is not known cannot
 * be: so it refuses.
 *
 * @param claim the claim of the subject's token; undefined: the token names nobody, so anybody the trust file lets.
 * @example
 * mayAct({ sub: 'billing-api' }, { sub: 'billing-api', iss: 'https://issuer.example' }) // true
 */
export function mayAct(claim: unknown, actor: { readonly sub: string; readonly iss: string }): boolean {
  if (claim === undefined) return true
  if (typeof claim !== 'object' || claim === null || Array.isArray(claim)) return false
  const named: Readonly<Record<string, string>> = { sub: actor.sub, client_id: actor.sub, iss: actor.iss }
  const members = Object.entries(claim)
  if (!members.some(([name]) => name === 'sub' || name === 'client_id')) return false
  return members.every(([name, value]) => Object.hasOwn(named, name) && named[name] === value)
}

/**
 * The `lineage` of a token that descends from one with these claims, its parent first: whoever revokes one of them
 * revokes it as well.
 *
 * @example
 * lineageOf({ issuer: 'https://issuer.example', tokenId: 'j', claims: {}, own: true }) // [{ iss: 'https://issuer.example', jti: 'j' }]
 */
export function lineageOf(parent: {
  readonly issuer: string
  readonly tokenId: string | undefined
  readonly claims: Readonly<Record<string, unknown>>
  /** Whether it is of our own making: another issuer's `lineage` means nothing here. */
  readonly own: boolean
}): readonly Ancestor[] {
  const before = parent.own && Array.isArray(parent.claims['lineage']) ? parent.claims['lineage'] : []
  const older = before.filter(isAncestor)
  return parent.tokenId === undefined ? older : [{ iss: parent.issuer, jti: parent.tokenId }, ...older]
}

function claimOf({ subject, issuer, actor }: Actor): ActorClaim {
  return {
    sub: subject,
    ...(issuer === undefined ? {} : { iss: issuer }),
    ...(actor === undefined ? {} : { act: claimOf(actor) }),
  }
}

function isAncestor(value: unknown): value is Ancestor {
  const { iss, jti } = (value ?? {}) as Partial<Ancestor>
  return typeof iss === 'string' && typeof jti === 'string'
}
