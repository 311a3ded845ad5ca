import type { ClaimPredicate, ClaimValue, Policy, Requirement } from '@countersign/sdk/policy'
import { kindText, mistake, shown, unknownName } from './reading.ts'
import type { Reading, Spot } from './reading.ts'
import { fields, list, oneOrMany, optional, text } from './shape.ts'
import type { Field, JsonSchema, Shape } from './shape.ts'
import { isJsonPointer, scopeToken } from './scalars.ts'

/** What a route asks for: `open`, `authenticated`, or a policy. */
export function requirement(): Shape<Requirement> {
  return {
    schema: { anyOf: [{ enum: ['open', 'authenticated'] }, { $ref: '#/definitions/policy' }] },
    read(spot, reading) {
      const { tree } = spot
      if (tree.kind === 'map') return policy.read(spot, reading)
      if (tree.kind === 'scalar' && (tree.value === 'open' || tree.value === 'authenticated'))
        return tree.value
      const got =
        tree.kind === 'scalar' && typeof tree.value === 'string' ? shown(tree.value) : kindText(tree)
      const next = 'write open for anybody, authenticated for any valid token, or { roles: … }'
      return mistake(reading, spot, `expected open, authenticated or a policy, got ${got}`, next)
    },
  }
}

/** A policy; the members are declared below because a policy holds policies. */
const policy: Shape<Policy> = {
  schema: { $ref: '#/definitions/policy' },
  read(spot, reading) {
    const before = reading.mistakes.length
    const draft = policyFields.read(spot, reading)
    if (draft === undefined || reading.mistakes.length > before) return undefined
    const known = Object.fromEntries(
      Object.entries(draft).filter(([, value]) => value !== undefined),
    ) as Policy
    if (Object.keys(known).length > 0) return known
    // An empty policy would hold for everybody with a token: that has a word of its own.
    return mistake(
      reading,
      spot,
      'an empty policy asks for nothing',
      'write authenticated, or say what is needed',
    )
  },
}

const predicate: Shape<ClaimPredicate> = {
  schema: { $ref: '#/definitions/claimPredicate' },
  read(spot, reading) {
    const before = reading.mistakes.length
    const draft = predicateFields.read(spot, reading)
    if (draft === undefined || reading.mistakes.length > before) return undefined
    const known = Object.fromEntries(
      Object.entries(draft).filter(([, value]) => value !== undefined),
    ) as ClaimPredicate
    if (Object.keys(known).length > 0) return known
    return mistake(
      reading,
      spot,
      'an empty predicate asks for nothing',
      'write { exists: true }, or say what must hold',
    )
  },
}

/** Claims by JSON Pointer, or by the name of a top-level claim. */
const claims: Shape<Readonly<Record<string, ClaimPredicate>>> = {
  schema: { type: 'object', minProperties: 1, additionalProperties: predicate.schema },
  read({ tree, path }, reading) {
    if (tree.kind !== 'map' || tree.entries.size === 0) {
      const got = tree.kind === 'map' ? 'an empty map' : kindText(tree)
      const next = 'for example { /tenant: { equals: acme } }'
      return mistake(reading, { tree, path }, `expected a map from claims to predicates, got ${got}`, next)
    }
    // A claim may be called __proto__: entries are defined, not assigned.
    const found: [string, ClaimPredicate][] = []
    for (const [name, value] of tree.entries) {
      const spot = { tree: value, path: [...path, name] }
      if (name === '' || (name.startsWith('/') && !isJsonPointer(name))) {
        mistake(reading, spot, 'expected the name of a claim or a JSON Pointer (RFC 6901) such as /tenant')
      }
      const read = predicate.read(spot, reading)
      if (read !== undefined) found.push([name, read])
    }
    return Object.fromEntries(found)
  },
}

const claimValue: Shape<ClaimValue> = {
  schema: { type: ['string', 'number', 'boolean'] },
  read(spot, reading) {
    const { tree } = spot
    if (tree.kind === 'scalar' && tree.value !== null) return tree.value
    return mistake(reading, spot, `expected a text, a number, true or false, got ${kindText(tree)}`)
  },
}

const trueOrFalse: Shape<boolean> = {
  schema: { type: 'boolean' },
  read(spot, reading) {
    if (spot.tree.kind === 'scalar' && typeof spot.tree.value === 'boolean') return spot.tree.value
    return mistake(reading, spot, `expected true or false, got ${kindText(spot.tree)}`)
  },
}

const roles = oneOrMany(scopeToken('role'), { what: 'roles' })
const scopes = oneOrMany(scopeToken('scope'), { what: 'scopes' })
const policies = list(policy, { what: 'policies' })

const policyFields = fields({
  roles: optional(roles, 'Each of these roles is needed.'),
  scopes: optional(scopes, 'Each of these scopes is needed.'),
  claims: optional(claims, 'What must hold for claims, by JSON Pointer or name of a top-level claim.'),
  anyOf: optional(policies, 'At least one of these holds.'),
  allOf: optional(policies, 'Every one of these holds.'),
  not: optional(policy, 'This does not hold.'),
} satisfies Record<keyof Policy, Field<unknown>>)

/** What may stand in a policy. */
export const policyKeys: readonly string[] = Object.keys(policyFields.members ?? {})

const predicateFields = fields({
  equals: optional(claimValue, 'The claim is exactly this.'),
  in: optional(list(claimValue, { what: 'values' }), 'The claim is one of these.'),
  contains: optional(claimValue, 'The claim is a list that holds this.'),
  exists: optional(trueOrFalse, 'The claim is there, or not there.'),
  prefix: optional(
    text((value) => (value === '' ? { message: 'an empty prefix fits everything' } : { value }), {
      minLength: 1,
    }),
    'The claim is a text that starts with this.',
  ),
} satisfies Record<keyof ClaimPredicate, Field<unknown>>)

/** What the references in the schemas above point to. */
export const policyDefinitions: Readonly<Record<string, JsonSchema>> = {
  policy: { ...policyFields.schema, minProperties: 1 },
  claimPredicate: { ...predicateFields.schema, minProperties: 1 },
}

/** Reports each role or scope that a policy names and the service does not declare. */
export function checkPolicyNames(
  spot: Spot,
  declared: { readonly roles: readonly string[] | undefined; readonly scopes: readonly string[] | undefined },
  reading: Reading,
): void {
  const { tree, path } = spot
  if (tree.kind !== 'map') return
  for (const [key, what] of [
    ['roles', 'role'],
    ['scopes', 'scope'],
  ] as const) {
    const value = tree.entries.get(key)
    const known = declared[key]
    if (value === undefined || known === undefined) continue
    for (const [name, at] of namesIn({ tree: value, path: [...path, key] })) {
      if (known.length > 0 && !known.includes(name)) unknownName(reading, at, what, name, known)
      if (known.length > 0) continue
      const next = `write \`${key}: [${name}]\` in the service`
      mistake(reading, at, `the ${what} ${shown(name)}, but the service declares no ${key}`, next)
    }
  }
  const inner = tree.entries.get('not')
  if (inner !== undefined) checkPolicyNames({ tree: inner, path: [...path, 'not'] }, declared, reading)
  for (const key of ['anyOf', 'allOf']) {
    const value = tree.entries.get(key)
    if (value?.kind !== 'list') continue
    for (const [index, item] of value.items.entries()) {
      checkPolicyNames({ tree: item, path: [...path, key, index] }, declared, reading)
    }
  }
}

/** The texts of a text or a list of texts, each with its spot. */
export function namesIn({ tree, path }: Spot): [name: string, spot: Spot][] {
  if (tree.kind === 'scalar') return typeof tree.value === 'string' ? [[tree.value, { tree, path }]] : []
  if (tree.kind !== 'list') return []
  return tree.items.flatMap((item, index) => namesIn({ tree: item, path: [...path, index] }))
}
