import type { Client, Service } from '../../trust/trust.ts'
import type { Form } from '../form.ts'
import { isRefusal, refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'

/** What a token will say: for exactly one service, and never more than the trust file grants. */
export type Granted = {
  readonly kind: 'granted'
  readonly service: string
  readonly audience: string
  readonly scopes: readonly string[]
  readonly roles: readonly string[]
}

/** Decides about requests of the client credentials grant (RFC 6749 §4.4). */
export type ClientCredentials = (clientId: string, form: Form) => Granted | Refusal

/**
 * Compiles the grants of the trust file, so that a request costs two look-ups.
 *
 * A token is for one service. It is named by `audience` (the service's audience or its name) or `resource` (its
 * audience; RFC 8707 §2), and may be left out by a client that may call one only. `scope` and `roles` narrow what is
 * granted; left out, all of it is.
 *
 * @example
 * const grant = createClientCredentials(trust.clients.values(), trust.services)
 * grant('orders', form)   // { kind: 'granted', service: 'billing', audience: 'https://billing.acme.example', … }
 */
export function createClientCredentials(
  clients: Iterable<Client>,
  services: ReadonlyMap<string, Service>,
): ClientCredentials {
  const rights = new Map([...clients].map((client) => [client.id, compile(client, services)]))

  return (clientId, form) => {
    const right = rights.get(clientId)
    if (right === undefined || right.all.length === 0) {
      return refuse('unauthorized_client', 'the trust file lets this client call no service')
    }
    const target = chooseTarget(right, form)
    if (isRefusal(target)) return target
    const scopes = narrow(target.scopes, form.values.get('scope'), 'scope')
    if (isRefusal(scopes)) return scopes
    const roles = narrow(target.roles, form.values.get('roles'), 'role')
    if (isRefusal(roles)) return roles
    if (scopes === target.scopes && roles === target.roles) return target
    return { ...target, scopes, roles }
  }
}

type Rights = {
  readonly all: readonly Granted[]
  readonly byAudience: ReadonlyMap<string, Granted>
  readonly byName: ReadonlyMap<string, Granted>
}

function compile(client: Client, services: ReadonlyMap<string, Service>): Rights {
  const all = client.may.flatMap(({ service: name, scopes, roles }): Granted[] => {
    const service = services.get(name)
    if (service === undefined) return []
    const granted = { kind: 'granted', service: name, audience: service.audience, scopes, roles } as const
    return [Object.freeze(granted)]
  })
  return {
    all,
    byAudience: new Map(all.map((granted) => [granted.audience, granted])),
    byName: new Map(all.map((granted) => [granted.service, granted])),
  }
}

function chooseTarget(
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
function narrow(
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
