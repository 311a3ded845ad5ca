import type { Requirement } from '@countersign/sdk/policy'
import { compileCondition } from './condition.ts'
import { policyKeys, requirement } from './policy-shape.ts'
import { rateLimit } from './rate-limit.ts'
import { atKey, mistake, unknownName } from './reading.ts'
import type { Located, Reading, Spot } from './reading.ts'
import { fields, onlyTrue, optional } from './shape.ts'
import type { JsonSchema, Shape } from './shape.ts'
import type { RateLimit } from './trust.ts'

/** What stands behind a route's key. */
export type RouteDraft = {
  readonly requirement: Located<Requirement>
  readonly limit: RateLimit | undefined
  readonly when: string | undefined
  readonly dryRun: boolean
}

/**
 * A requirement, or a map of one with options beside it: `{ roles: reader, limit: 10/s }`. What has no keys of its own
 * to stand among, `open` or `authenticated`, is written as `require`.
 */
export function routeShape(): Shape<RouteDraft> {
  return {
    schema: { anyOf: [{ enum: ['open', 'authenticated'] }, { $ref: '#/definitions/route' }] },
    read(spot, reading) {
      const { tree } = spot
      if (tree.kind !== 'map' || ![...tree.entries.keys()].some(isOption)) {
        const value = requires.read(spot, reading)
        return value === undefined ? undefined : { ...noOptions, requirement: { ...spot, value } }
      }
      const before = reading.mistakes.length
      const options = optionFields.read(only(spot, isOption), reading)
      const required = readRequired(spot, reading)
      if (options === undefined || required === undefined || reading.mistakes.length > before)
        return undefined
      const { limit, when, dangerouslyDryRun } = options
      return { requirement: required, limit, when, dryRun: dangerouslyDryRun ?? false }
    },
  }
}

function readRequired(spot: Spot, reading: Reading): Located<Requirement> | undefined {
  const rest = only(spot, (key) => !isOption(key))
  if (rest.tree.kind !== 'map' || spot.tree.kind !== 'map') return undefined
  for (const [key, value] of rest.tree.entries) {
    if (policyKeys.includes(key)) continue
    const at = { tree: atKey(value), path: [...spot.path, key] }
    return unknownName(reading, at, 'key', key, [...optionNames, ...policyKeys])
  }
  const tree = spot.tree.entries.get('require')
  if (tree !== undefined && rest.tree.entries.size > 0) {
    return mistake(reading, spot, 'require and a policy beside it say two things', 'keep one of them')
  }
  if (tree === undefined && rest.tree.entries.size === 0) {
    const next = 'write `require: open`, `require: authenticated` or a policy'
    return mistake(reading, spot, 'nothing says who may', next)
  }
  const inner = tree === undefined ? rest : { tree, path: [...spot.path, 'require'] }
  const value = requires.read(inner, reading)
  return value === undefined ? undefined : { ...inner, value }
}

/** The same map with some of its keys. */
function only({ tree, path }: Spot, wanted: (key: string) => boolean): Spot {
  if (tree.kind !== 'map') return { tree, path }
  return { tree: { ...tree, entries: new Map([...tree.entries].filter(([key]) => wanted(key))) }, path }
}

/** A condition in CEL. Its mistakes are shown where they are, if it stands on one line of its own. */
function condition(): Shape<string> {
  return {
    schema: { type: 'string', minLength: 1, maxLength: 1000 },
    read(spot, reading) {
      const { tree } = spot
      if (tree.kind !== 'scalar' || typeof tree.value !== 'string' || tree.value.length > 1000) {
        return mistake(reading, spot, 'expected a condition in CEL of at most 1000 characters')
      }
      const compiled = compileCondition(tree.value)
      if ('holds' in compiled) return tree.value
      const { line, column } = tree.place
      const place = { ...tree.place, line, column: column + compiled.at }
      return mistake(
        reading,
        { ...spot, tree: { ...tree, place } },
        `CEL, character ${compiled.at + 1}: ${compiled.message}`,
        'it sees request.method, request.path, request.host, params, principal and claims',
      )
    },
  }
}

function isOption(key: string): boolean {
  return optionNames.includes(key)
}

const requires = requirement()
const optionFields = fields({
  require: optional(
    requires,
    'Who may: open, authenticated or a policy, where it does not stand here itself.',
  ),
  limit: optional(rateLimit(), 'How often one caller may: 10/s, 600/m or 5000/h.'),
  when: optional(condition(), 'A condition in CEL that must hold as well; not portable to other proxies.'),
  dangerouslyDryRun: optional(
    onlyTrue(),
    'Only writes down what would be decided, and lets everybody through.',
  ),
})
const optionNames = Object.keys(optionFields.members ?? {})
const noOptions = { limit: undefined, when: undefined, dryRun: false }

/** What the references in the schema above point to. */
export function routeDefinitions(policy: JsonSchema): Readonly<Record<string, JsonSchema>> {
  const properties = { ...(policy['properties'] as object), ...(optionFields.schema['properties'] as object) }
  return { route: { ...policy, properties } }
}
