import { METHODS } from '../net/node-http.ts'
import { isProblem, nearest } from '@countersign/sdk/core'
import type { Problem } from '@countersign/sdk/core'
import { compilePolicy, readTemplate } from '@countersign/sdk/policy'
import type { Requirement, Template } from '@countersign/sdk/policy'
import { atKey, mistake, shown, warning } from './reading.ts'
import type { Located, Reading, Spot } from './reading.ts'
import { named } from './shape.ts'
import type { KeyShape, Shape, Wrong } from './shape.ts'
import { checkPolicyNames, namesIn } from './policy-shape.ts'
import { routeShape } from './route-options.ts'
import type { RouteDraft } from './route-options.ts'
import type { Route } from './trust.ts'

const routeKey: KeyShape = {
  what: 'routes such as "GET /invoices/{id}"',
  schema: { pattern: '^([A-Z-]+|\\*) /' },
  wrong: wrongRoute,
}

/** The `routes` of a service: `GET /invoices/{id}` → what it takes. */
export const routesSection = named(routeKey, routeShape())

type RouteDrafts = typeof routesSection extends Shape<infer T> ? T : never

/** What a service declares; undefined: it tried to, and that is mistaken, so nothing can be said about a name. */
export type Declared = {
  readonly roles: readonly string[] | undefined
  readonly scopes: readonly string[] | undefined
}

/** The routes in the file's order, with every role and scope checked against what the service declares. */
export function resolveRoutes(read: RouteDrafts, declared: Declared, reading: Reading): Route[] {
  const found: Route[] = []
  const before = new Map<string, Located<RouteDraft>>()
  for (const [key, route] of read) {
    const [method = '', template = ''] = key.split(' ')
    // Of two rules for the same requests, one would never be used.
    const same = matchKey(method, template)
    const first = before.get(same)
    if (first !== undefined) {
      mistake(
        reading,
        route,
        `fits the same requests as the route on line ${first.tree.keyPlace.line}`,
        'keep one',
      )
    }
    before.set(same, first ?? route)
    const { requirement, limit, when, dryRun } = route.value
    checkPolicyNames(requirement, declared, reading)
    checkCompiles(requirement, reading)
    if (dryRun) {
      const next = 'take it out once the log shows only what is meant to be refused'
      warning(reading, { ...route, tree: atKey(route.tree) }, 'a dry run: nobody is refused here', next)
    }
    found.push({
      method,
      template,
      requirement: requirement.value,
      line: route.tree.keyPlace.line,
      ...(limit === undefined ? {} : { limit }),
      ...(when === undefined ? {} : { when }),
      ...(dryRun ? { dryRun } : {}),
    })
  }
  return found
}

/** What the policy compiler refuses is a mistake of the file: it must not come out when the gateway starts. */
function checkCompiles(route: Located<Requirement>, reading: Reading): void {
  try {
    compilePolicy(route.value, 'policy')
  } catch (error) {
    if (!isProblem(error)) throw error
    mistake(reading, route, error.message, error.next)
  }
}

/** Every scope that the routes of a service ask for, also in routes that are mistaken elsewhere. */
export function scopesAskedFor({ tree, path }: Spot): readonly string[] {
  if (tree.kind !== 'map') return []
  return [...tree.entries.values()].flatMap((route) => scopesOfPolicy({ tree: route, path }))
}

function scopesOfPolicy({ tree, path }: Spot): readonly string[] {
  if (tree.kind === 'list') return tree.items.flatMap((item) => scopesOfPolicy({ tree: item, path }))
  if (tree.kind !== 'map') return []
  return [...tree.entries].flatMap(([key, value]) => {
    if (key === 'scopes') return namesIn({ tree: value, path }).map(([scope]) => scope)
    return scopeHolders.includes(key) ? scopesOfPolicy({ tree: value, path }) : []
  })
}

/** What is wrong with a route's key: a method, one space, and a template as the route table reads it. */
function wrongRoute(key: string): Wrong | undefined {
  const [method = '', template, ...rest] = key.split(' ')
  if (template === undefined || rest.length > 0) {
    return {
      message: 'expected a method and a path with one space between',
      next: 'for example "GET /invoices/{id}"',
    }
  }
  // A method that no server can parse is a slip of the hand, and its rule would wait for requests in vain.
  if (!methods.includes(method)) {
    const near = nearest(method, methods)
    const next =
      near === undefined
        ? 'write an HTTP method in upper case, or * for the usual ones'
        : `did you mean ${near}?`
    return { message: `unknown method ${shown(method)}`, next }
  }
  const read = tryTemplate(template)
  if ('segments' in read) return undefined
  const prefix = `${template}: `
  const message = read.message.startsWith(prefix) ? read.message.slice(prefix.length) : read.message
  return read.next === undefined ? { message } : { message, next: read.next }
}

/** Two templates are one when they match the same paths, whatever their parameters are called. */
function matchKey(method: string, template: string): string {
  const read = tryTemplate(template)
  if (!('segments' in read)) return `${method} ${template}`
  const parts = read.segments.map((segment) =>
    segment.kind === 'literal' ? segment.text : { [segment.kind]: 0 },
  )
  return `${method} ${JSON.stringify(parts)}`
}

function tryTemplate(template: string): Template | Problem {
  try {
    return readTemplate(template)
  } catch (error) {
    if (isProblem(error)) return error
    throw error
  }
}

/** Keys behind which policies stand. */
const scopeHolders = ['anyOf', 'allOf', 'not', 'require']

/** TRACE and CONNECT cannot be routed. */
const methods = ['*', ...METHODS.filter((method) => method !== 'TRACE' && method !== 'CONNECT')]
