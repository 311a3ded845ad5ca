import { mistake, shown } from './reading.ts'
import { duration, isFieldName } from './scalars.ts'
import { fields, list, oneOrMany, onlyTrue, optional, required, text } from './shape.ts'
import type { Shape } from './shape.ts'
import type { CorsSettings } from './trust.ts'

/** The `cors` of a service: pages of which origins may call it from a browser. */
export function corsSection(): Shape<CorsSettings> {
  return {
    ...members,
    read(spot, reading) {
      const before = reading.mistakes.length
      const draft = members.read(spot, reading)
      if (draft?.origins === undefined || reading.mistakes.length > before) return undefined
      const { origins, headers, expose, credentials, maxAge } = draft
      const anybody = origins.includes('*')
      if (anybody && origins.length > 1) {
        return mistake(
          reading,
          spot,
          '"*" is any origin, and others beside it',
          'keep "*", or name the origins',
        )
      }
      if (anybody && credentials === true) {
        return mistake(
          reading,
          spot,
          'any page could act as whoever is logged in to the service',
          'name the origins, or take credentials out',
        )
      }
      return {
        origins: anybody ? '*' : origins,
        headers: (headers ?? ['Authorization', 'Content-Type']).map((name) => name.toLowerCase()),
        expose: expose ?? [],
        credentials: credentials ?? false,
        maxAgeSeconds: maxAge ?? 600,
      }
    },
  }
}

/** `https://app.acme.example`: scheme, host and port alone, spelled as browsers spell them. */
function origin(): Shape<string> {
  return text(
    (value) => {
      if (value === '*') return { value }
      const url = URL.canParse(value) ? new URL(value) : undefined
      if (url !== undefined && url.origin === value && !value.includes('*')) return { value }
      const message = `expected an origin such as https://app.acme.example, got ${shown(value)}`
      return url === undefined || url.origin === 'null'
        ? { message }
        : { message, next: `write ${url.origin}` }
    },
    {},
    { overridable: false, expected: 'an origin such as https://app.acme.example' },
  )
}

function headerName(): Shape<string> {
  return text(
    (value) =>
      isFieldName(value) && value !== '*'
        ? { value }
        : { message: `expected the name of a header, got ${shown(value)}` },
    {},
    { overridable: false, expected: 'the name of a header' },
  )
}

const members = fields({
  origins: required(
    oneOrMany(origin(), { what: 'origins' }),
    'Origins of pages that may call it, exactly; "*" for any, which excludes credentials.',
  ),
  headers: optional(
    list(headerName(), { what: 'headers', min: 0 }),
    'Request headers pages may set; Authorization and Content-Type.',
  ),
  expose: optional(list(headerName(), { what: 'headers' }), 'Reply headers pages may read; none.'),
  credentials: optional(onlyTrue(), 'Pages may send cookies along; not unless said.'),
  maxAge: optional(
    duration({ min: '1s', max: '1d' }),
    'How long a browser may remember the answer to its preflight; 10m.',
  ),
})
