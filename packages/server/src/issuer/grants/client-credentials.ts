import type { Client, Service } from '../../trust/trust.ts'
import type { Form } from '../http/form.ts'
import { isRefusal, refuse } from '../http/refusal.ts'
import type { Refusal } from '../http/refusal.ts'
import { chooseTarget, compileRights, narrow } from './rights.ts'
import type { Granted } from './rights.ts'

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
  const rights = new Map([...clients].map((client) => [client.id, compileRights(client, services)]))

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
