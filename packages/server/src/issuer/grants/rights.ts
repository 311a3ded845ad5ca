import type { Confirmation } from '@countersign/sdk/jwt'
import type { ActorClaim, Ancestor } from '@countersign/sdk/policy'
import type { Client, Service } from '../../trust/trust.ts'
import type { Form } from '../http/form.ts'
import { refuse } from '../http/refusal.ts'
import type { Refusal } from '../http/refusal.ts'
import type { TransactionClaims } from './transactions.ts'

/** What a token will say: for exactly one service, and never more than the trust file grants. */
export type Granted = {
  readonly kind: 'granted'
  readonly service: string
  readonly audience: string
  readonly scopes: readonly string[]
  readonly roles: readonly string[]
  /** How the service wants its callers' tokens bound. */
  readonly bind?: Service['bind']
  /** For whom the client acts; undefined: for itself. */
  readonly delegation?: Delegation
  /** For a transaction token instead of an access token. */
  readonly transaction?: TransactionClaims
  /** Asked last: uses up what counts once. @returns why it counted before */
  readonly useUp?: () => Promise<Refusal | undefined>
  /** Whether the answer says what kind of token it is (RFC 8693 §2.2.1). */
  readonly exchanged?: true
}

/** For whom a client acts, and by whose leave: what an exchanged token says beside its rights. */
export type Delegation = {
  /** The `sub` claim: whom the call is about. */
  readonly subject: string
  /** The token dies no later than those it was exchanged for, seconds since the epoch. */
  readonly expiresAtSeconds: number
  readonly claims: DelegationClaims
  /** What the exchanged token was bound to; the new one is bound to the same. */
  readonly boundTo?: Confirmation
}

export type DelegationClaims = {
  readonly act: ActorClaim
  /** Carried on: who may act for the subject does not grow along a chain. */
  readonly may_act?: unknown
  /** The subject with the issuer that names it so (RFC 9493 §3.2.3), when that is not ours. */
  readonly sub_id?: unknown
  /** The tokens this one descends from, its parent first: whoever revokes one of them revokes this one. */
  readonly lineage?: readonly Ancestor[]
}

/** What one client may get, by each way of naming it. */
export type Rights = {
  readonly all: readonly Granted[]
  readonly byAudience: ReadonlyMap<string, Granted>
  readonly byName: ReadonlyMap<string, Granted>
}

/** Everything the trust file lets a client call. */
export function compileRights(client: Client, services: ReadonlyMap<string, Service>): Rights {
  const all = client.may.flatMap(({ service: name, scopes, roles }): Granted[] => {
    const service = services.get(name)
    if (service === undefined) return []
    const { audience, bind } = service
    const granted = { kind: 'granted', service: name, audience, scopes, roles } as const
    return [Object.freeze(bind === undefined ? granted : { ...granted, bind })]
  })
  return {
    all,
    byAudience: new Map(all.map((granted) => [granted.audience, granted])),
    byName: new Map(all.map((granted) => [granted.service, granted])),
  }
}

/**
 * The service a token is asked for: named by `audience` (the service's audience or its name) or `resource` (its
 * audience; RFC 8707 §2), or the only one there is.
 */
export function chooseTarget(
  { all, byAudience, byName }: Rights,
  { audiences, resources }: Form,
): Granted | Refusal {
  let chosen: Granted | undefined
  for (const [index, name] of [...audiences, ...resources].entries()) {
    // An audience is what tokens carry, so it goes before a service that happens to be named like it.
    const granted = byAudience.get(name) ?? (index < audiences.length ? byName.get(name) : undefined)
    if (granted === undefined) {
      // A service that exists and one that does not get the same words.
      return refuse('invalid_target', `this client may not call that service; it may call: ${listed(all)}`)
    }
    if (chosen !== undefined && chosen !== granted) {
      return refuse('invalid_target', 'a token is for one service: ask for one token each')
    }
    chosen = granted
  }
  if (chosen !== undefined) return chosen
  if (all.length === 1) return all[0]!
  return refuse(
    'invalid_target',
    `name the service to call in the parameter audience, one of: ${listed(all)}`,
  )
}

function listed(all: readonly Granted[]): string {
  const names = all.slice(0, 20).map(({ service }) => service)
  return names.join(', ') + (all.length > names.length ? ', ...' : '')
}

/** Those of `granted` that are asked for; RFC 6749 §3.3 separates them by single spaces. */
export function narrow(
  granted: readonly string[],
  asked: string | undefined,
  what: 'scope' | 'role',
): readonly string[] | Refusal {
  if (asked === undefined) return granted
  const names = new Set(asked.split(' '))
  for (const name of names) {
    if (granted.includes(name)) continue
    if (name === '') return refuse('invalid_scope', `${what} names are separated by one space each`)
    return refuse('invalid_scope', `this client may not ask for the ${what}: ${name.slice(0, 100)}`)
  }
  return [...names]
}
