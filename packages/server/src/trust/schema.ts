import { trustFile } from './file-shape.ts'
import { policyDefinitions } from './policy-shape.ts'
import { routeDefinitions } from './route-options.ts'
import type { JsonSchema } from './shape.ts'

/**
 * The trust file's JSON Schema (draft-07, which is what editors know), made from the readers' own tables. It completes
 * and explains; what spans several places (a role that no service declares) only `countersign check` can see.
 */
export function trustFileSchema(): JsonSchema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Countersign trust file',
    description: 'Who may call what: one file for issuer, gateway, guard and exports.',
    ...trustFile.schema,
    definitions: { ...policyDefinitions, ...routeDefinitions(policyDefinitions['policy']!) },
  }
}
