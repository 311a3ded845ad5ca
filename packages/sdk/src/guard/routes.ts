import type { Denial } from '../core/denial.ts'
import { Problem } from '../core/problem.ts'
import { compilePolicy, requiredScopes } from '../policy/compile.ts'
import type { CanonicalPath } from '../policy/path.ts'
import type { Requirement } from '../policy/policy.ts'
import type { Principal } from '../policy/principal.ts'
import { createRouteTable } from '../policy/route-table.ts'
import type { RouteMatch, RouteTable } from '../policy/route-table.ts'

/** A requirement made ready to be asked on every request. */
export type Gate = {
  /** The template of the route it belongs to; undefined where one requirement stands for everything. */
  readonly template: string | undefined
  readonly isOpen: boolean
  readonly scopes: readonly string[]
  denialOf(principal: Principal): Denial | undefined
}

/** One route of a guarded service. */
export type GuardRoute = Gate & { readonly method: string; readonly template: string }

/** The routes of a guarded service; made by {@link readRoutes}, which is what makes them complete and free of conflicts. */
export class GuardRoutes<Role extends string = string, Scope extends string = string> {
  /** For the compiler alone: the names that its policies use. */
  declare readonly names: { readonly role: Role; readonly scope: Scope }
  readonly #table: RouteTable<GuardRoute>

  constructor(routes: readonly GuardRoute[]) {
    this.#table = createRouteTable(routes)
    Object.freeze(this)
  }

  match(method: string, path: CanonicalPath): RouteMatch<GuardRoute> {
    return this.#table.match(method, path)
  }
}

/**
 * Reads a service's routes, written as in the trust file: a method, a blank, a template; then what a request needs.
 * What no route names is refused.
 *
 * @param where for messages.
 * @throws Problem `route-invalid`, `route-conflict`, `policy-invalid`, `option-unknown`.
 * @example
 * readRoutes({ 'GET /health': 'open', 'GET /invoices/{id}': { roles: 'reader' }, 'POST /invoices': { roles: 'admin' } })
 */
export function readRoutes<const Role extends string = never, const Scope extends string = never>(
  routes: Readonly<Record<string, Requirement<Role, Scope>>>,
  where = 'routes',
): GuardRoutes<Role, Scope> {
  const entries = Object.entries(routes)
  if (entries.length === 0) {
    throw new Problem('route-invalid', `${where}: no route, so every request would be refused`, {
      next: `write for example { 'GET /health': 'open' }`,
    })
  }
  return new GuardRoutes(entries.map(([key, requirement]) => readRoute(key, requirement, where)))
}

/**
 * Refuses a requirement that cannot be compiled, so that a service learns it when it starts and not by its first 503.
 *
 * @throws Problem `policy-invalid`, `option-unknown`.
 */
export function checkRequirement(requirement: Requirement | GuardRoutes): void {
  if (!(requirement instanceof GuardRoutes)) compileGate(requirement, 'requirement')
}

/** Compiles a requirement once; asking the result allocates nothing. */
export function compileGate(requirement: Requirement, where: string): Gate {
  return Object.freeze({
    template: undefined,
    isOpen: requirement === 'open',
    scopes: Object.freeze(requiredScopes(requirement)),
    denialOf: compilePolicy(requirement, where),
  })
}

function readRoute(key: string, requirement: Requirement, where: string): GuardRoute {
  const parts = key.split(' ')
  if (parts.length !== 2) {
    throw new Problem('route-invalid', `${where}: "${key}" is no route`, {
      next: 'write a method, one blank and a template, such as GET /invoices/{id}',
    })
  }
  const [method, template] = parts as [string, string]
  return Object.freeze({ ...compileGate(requirement, `${where}["${key}"]`), method, template })
}
