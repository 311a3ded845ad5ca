import { atKey, kindText, mistake, shown } from './reading.ts'
import { isFieldName, isJsonPointer } from './scalars.ts'
import type { Shape } from './shape.ts'

/**
 * The `claimHeaders` of a service: header → claim, by JSON Pointer or by name. What a client sends under these names is
 * never passed on, so a name that means something already cannot be one of them.
 */
export function claimHeaders(): Shape<ReadonlyMap<string, string>> {
  return {
    schema: {
      type: 'object',
      minProperties: 1,
      maxProperties: 20,
      propertyNames: { pattern: '^[A-Za-z][A-Za-z0-9-]*$' },
      additionalProperties: { type: 'string', minLength: 1 },
    },
    read({ tree, path }, reading) {
      if (tree.kind !== 'map' || tree.entries.size === 0 || tree.entries.size > 20) {
        const next = 'for example { X-Tenant: /tenant }'
        return mistake(
          reading,
          { tree, path },
          `expected a map of 1 to 20 headers, got ${kindText(tree)}`,
          next,
        )
      }
      const found = new Map<string, string>()
      const seen = new Set<string>()
      for (const [name, value] of tree.entries) {
        const spot = { tree: value, path: [...path, name] }
        const lower = name.toLowerCase()
        if (!isFieldName(name) || !/^[a-z][a-z0-9-]*$/.test(lower)) {
          mistake(
            reading,
            { ...spot, tree: atKey(value) },
            `expected letters, digits and -, got ${shown(name)}`,
          )
        } else if (isTaken(lower) || seen.has(lower)) {
          mistake(
            reading,
            { ...spot, tree: atKey(value) },
            `the header ${name} has another meaning`,
            'choose another header, such as X-Tenant',
          )
        }
        seen.add(lower)
        const claim = value.kind === 'scalar' ? value.value : undefined
        if (typeof claim !== 'string' || claim === '' || (claim.startsWith('/') && !isJsonPointer(claim))) {
          mistake(reading, spot, 'expected the name of a claim or a JSON Pointer (RFC 6901) such as /tenant')
        } else found.set(name, claim)
      }
      return found
    },
  }
}

function isTaken(lower: string): boolean {
  return taken.has(lower) || takenPrefixes.some((prefix) => lower.startsWith(prefix))
}

const takenPrefixes = [
  'countersign-',
  'x-forwarded-',
  'x-original-',
  'x-envoy-',
  'sec-',
  'proxy-',
  'access-control-',
]
const taken: ReadonlySet<string> = new Set([
  'accept',
  'authorization',
  'baggage',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'cookie',
  'date',
  'dpop',
  'expect',
  'forwarded',
  'host',
  'http2-settings',
  'keep-alive',
  'origin',
  'proxy',
  'range',
  'referer',
  'te',
  'trace-context',
  'traceparent',
  'tracestate',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'via',
  'x-http-method-override',
  'x-real-ip',
])
