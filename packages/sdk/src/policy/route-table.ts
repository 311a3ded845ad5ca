import type { CanonicalPath } from './path.ts'
import type { Template } from './template.ts'
import { Problem } from '../core/problem.ts'
import { readMethod, readTemplate } from './template.ts'

/** What a route table needs to know of a route; whatever else it carries comes back with the match. */
export type RoutePattern = {
  /** An upper-case method, or `*` for GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS. */
  readonly method: string
  /** Literal segments, `{name}` for one segment, `{**}` at the end for the rest. */
  readonly template: string
}

export type RouteMatch<Route> =
  | {
      readonly kind: 'route'
      readonly route: Route
      /** By name, percent-decoded; the tail under `**`. */
      readonly params: Readonly<Record<string, string>>
    }
  | { readonly kind: 'route-unknown' }
  | { readonly kind: 'method-unknown'; readonly allow: readonly string[] }

export type RouteTable<Route> = {
  /**
   * @param from how many leading segments to leave out: the gateway's `at` prefix. Nothing left is the root, `/`.
   */
  match(method: string, path: Pick<CanonicalPath, 'segments'>, from?: number): RouteMatch<Route>
}

/**
 * A table of routes that finds the one rule for a request, without regular expressions.
 *
 * Segment by segment from the left, a literal comes before `{name}` and `{name}` before `{**}`. The path decides
 * first, then the method: when the most specific template for a path does not have the method, the answer is
 * `method-unknown`, and no wider template is asked in its place. `{name}` stands for one segment that is not empty,
 * `{**}` for everything behind its slash (`/files/{**}` covers `/files/` and not `/files`). GET also answers HEAD,
 * unless the same template lists HEAD. A listed method comes before `*`.
 *
 * @throws Problem `route-invalid` for a template or a method that cannot be, `route-conflict` for two routes that
 * match the same requests; the message names the template.
 * @example
 * const table = createRouteTable([{ method: 'GET', template: '/invoices/{id}', roles: 'reader' }])
 * const path = canonicalPath('/invoices/7')
 * if ('segments' in path) table.match('GET', path) // { kind: 'route', route: …, params: { id: '7' } }
 */
export function createRouteTable<Route extends RoutePattern>(routes: readonly Route[]): RouteTable<Route> {
  const root = newNode<Route>()
  for (const route of routes) insert(root, route)
  finish(root)
  return Object.freeze({
    match(method, { segments }, from = 0) {
      const leaf = from < segments.length ? walk(root, segments, from) : walk(root, rootSegments, 0)
      if (leaf === undefined) return routeUnknown
      const entry = leaf.byMethod.get(method)
      if (entry === undefined) return leaf.methodUnknown
      return (
        entry.bare ?? {
          kind: 'route',
          route: entry.route,
          params: readParams(entry.template, segments, from),
        }
      )
    },
  } satisfies RouteTable<Route>)
}

/** Depth first in order of precedence, so the first leaf reached is the most specific one. */
function walk<Route>(node: Node<Route>, segments: readonly string[], at: number): Leaf<Route> | undefined {
  if (at === segments.length) return node.leaf
  const segment = segments[at]!
  const literal = node.literals.get(segment)
  if (literal !== undefined) {
    const leaf = walk(literal, segments, at + 1)
    if (leaf !== undefined) return leaf
  }
  if (node.named !== undefined && segment !== '') {
    const leaf = walk(node.named, segments, at + 1)
    if (leaf !== undefined) return leaf
  }
  return node.tail
}

/** A parameter stands at the same place in the path as in the template, so nothing is recorded while walking. */
function readParams(template: Template, segments: readonly string[], from: number): Record<string, string> {
  const params: Record<string, string> = {}
  for (let at = 0; at < template.segments.length; at++) {
    const segment = template.segments[at]!
    if (segment.kind === 'name') params[segment.name] = segments[from + at]!
    else if (segment.kind === 'tail') params['**'] = segments.slice(from + at).join('/')
  }
  return params
}

function insert<Route extends RoutePattern>(root: Node<Route>, route: Route): void {
  const method = readMethod(route.method, route.template)
  const template = readTemplate(route.template)
  let node = root
  let leaf: Leaf<Route> | undefined
  for (const segment of template.segments) {
    if (segment.kind === 'tail') leaf = node.tail ??= newLeaf()
    else node = segment.kind === 'name' ? (node.named ??= newNode()) : literalChild(node, segment.text)
  }
  leaf ??= node.leaf ??= newLeaf()
  const earlier = leaf.listed.get(method)
  if (earlier !== undefined) {
    throw new Problem(
      'route-conflict',
      `${method} ${route.template}: matches the same requests as ${method} ${earlier.route.template}`,
      { next: 'keep one of the two' },
    )
  }
  leaf.listed.set(method, {
    route,
    template,
    bare: template.hasParams ? undefined : Object.freeze({ kind: 'route', route, params: noParams }),
  })
}

function literalChild<Route>(node: Node<Route>, text: string): Node<Route> {
  const existing = node.literals.get(text)
  if (existing !== undefined) return existing
  const child = newNode<Route>()
  node.literals.set(text, child)
  return child
}

/** Spells every leaf's methods out, so that matching is one look-up. */
function finish<Route>(node: Node<Route>): void {
  for (const leaf of [node.leaf, node.tail]) {
    if (leaf === undefined) continue
    const any = leaf.listed.get('*')
    if (any !== undefined) for (const method of everyMethod) leaf.byMethod.set(method, any)
    const get = leaf.listed.get('GET')
    if (get !== undefined) leaf.byMethod.set('HEAD', get)
    for (const [method, entry] of leaf.listed) if (method !== '*') leaf.byMethod.set(method, entry)
    const allow = Object.freeze([...leaf.byMethod.keys()].sort())
    leaf.methodUnknown = Object.freeze({ kind: 'method-unknown', allow })
  }
  for (const child of node.literals.values()) finish(child)
  if (node.named !== undefined) finish(node.named)
}

type Node<Route> = {
  readonly literals: Map<string, Node<Route>>
  named: Node<Route> | undefined
  /** What `{**}` here leads to. */
  tail: Leaf<Route> | undefined
  /** What ends here. */
  leaf: Leaf<Route> | undefined
}

type Leaf<Route> = {
  readonly listed: Map<string, Entry<Route>>
  readonly byMethod: Map<string, Entry<Route>>
  methodUnknown: RouteMatch<Route>
}

type Entry<Route> = {
  readonly route: Route
  readonly template: Template
  /** The ready answer of a template without parameters. */
  readonly bare: RouteMatch<Route> | undefined
}

function newNode<Route>(): Node<Route> {
  return { literals: new Map(), named: undefined, tail: undefined, leaf: undefined }
}

function newLeaf<Route>(): Leaf<Route> {
  return { listed: new Map(), byMethod: new Map(), methodUnknown: routeUnknown }
}

const everyMethod = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
const rootSegments: readonly string[] = ['']
const noParams: Readonly<Record<string, string>> = Object.freeze({})
const routeUnknown = Object.freeze({ kind: 'route-unknown' })
