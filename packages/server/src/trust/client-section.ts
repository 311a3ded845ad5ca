import { mayAssertSection, resolveMayAssert } from './assert-section.ts'
import { authenticateSection, resolveAuthenticate } from './authenticate-section.ts'
import { clientBind } from './dpop-section.ts'
import { mistake, unknownName } from './reading.ts'
import type { Located, Reading } from './reading.ts'
import { fields, located, named, oneOrMany, onlyTrue, optional, required, text } from './shape.ts'
import type { KeyShape, Shape } from './shape.ts'
import { clientIdKey, scopeToken } from './scalars.ts'
import type { Declared } from './route-section.ts'
import type { Client, Grant } from './trust.ts'

/** Checked against the services themselves, with the nearest one named: so no check of its own. */
const serviceName: KeyShape = { what: 'service names', schema: {}, wrong: () => undefined }

/** The `clients` section: registered callers, and what each may get a token for. */
export const clientsSection = named(
  clientIdKey(),
  fields({
    authenticate: required(authenticateSection, 'How it proves who it is.'),
    may: optional(
      named(
        serviceName,
        fields({
          roles: optional(
            oneOrMany(located(scopeToken('role')), { what: 'roles' }),
            'Roles it may have there.',
          ),
          scopes: optional(
            oneOrMany(located(scopeToken('scope')), { what: 'scopes' }),
            'Scopes it may have there.',
          ),
        }),
      ),
      'Which services it may call, and as what; none unless said.',
    ),
    bind: optional(
      located(clientBind()),
      'Binds its tokens to it, so that nobody else can use them: dpop (RFC 9449) or certificate (RFC 8705).',
    ),
    mayExchange: optional(
      oneOrMany(located(text((value) => ({ value }), {}, { overridable: false, expected: 'a service' })), {
        what: 'services',
      }),
      'Services, usually its own, whose callers’ tokens it may exchange to act for them; none unless said.',
    ),
    mayAssert: optional(
      mayAssertSection,
      'For whom it may ask by an assertion of a trusted issuer (RFC 7523), by that issuer’s name; for nobody unless said.',
    ),
    mayTransact: optional(
      oneOrMany(scopeToken('scope'), { what: 'scopes' }),
      'Scopes of transactions it may begin, or go on with; none unless said.',
    ),
    mayExchangeBound: optional(
      located(onlyTrue()),
      'Also those that are bound to their caller (cnf), which its guard has checked; else it must show the proof itself.',
    ),
    introspects: optional(
      oneOrMany(located(text((value) => ({ value }), {}, { overridable: false, expected: 'a service' })), {
        what: 'services',
      }),
      'Services, usually its own, whose callers’ tokens it may ask the issuer about; none unless said.',
    ),
  }),
)

export type ClientDrafts = typeof clientsSection extends Shape<infer T> ? T : never
export type ClientDraft = ClientDrafts extends ReadonlyMap<string, infer D> ? D : never

/** One client; undefined when something in it was mistaken. `services` holds what each service declares, `trusted` the trusted issuers. */
export function resolveClient(
  id: string,
  draft: ClientDraft,
  services: ReadonlyMap<string, Declared>,
  reading: Reading,
  trusted: readonly string[] = [],
): Client | undefined {
  const { authenticate } = draft.value
  const proof = authenticate === undefined ? undefined : resolveAuthenticate(authenticate, reading)
  const may: Grant[] = []
  for (const [service, grant] of draft.value.may ?? []) {
    const declared = services.get(service)
    if (declared === undefined) {
      const spot = { ...grant, tree: { ...grant.tree, place: grant.tree.keyPlace } }
      unknownName(reading, spot, 'service', service, [...services.keys()])
      continue
    }
    const { roles, scopes } = grant.value
    may.push({
      service,
      roles: grantNames(roles ?? [], 'role', service, declared.roles, reading),
      scopes: grantNames(scopes ?? [], 'scope', service, declared.scopes, reading),
    })
  }
  const mayExchange = resolveExchange(draft, services, reading)
  const { mayTransact } = draft.value
  const transacts = mayTransact === undefined ? {} : { mayTransact: [...new Set(mayTransact)] }
  const mayAssert = resolveMayAssert(draft.value.mayAssert, trusted, reading)
  const introspects = resolveIntrospects(draft, services, reading)
  const { bind } = draft.value
  const bound = bind === undefined ? {} : { bind: bind.value }
  return proof === undefined
    ? undefined
    : { id, ...proof, may, ...mayExchange, ...transacts, ...mayAssert, ...introspects, ...bound }
}

function resolveIntrospects(
  draft: ClientDraft,
  services: ReadonlyMap<string, Declared>,
  reading: Reading,
): Pick<Client, 'introspects'> {
  const names = draft.value.introspects
  if (names === undefined) return {}
  for (const name of names) {
    if (!services.has(name.value)) unknownName(reading, name, 'service', name.value, [...services.keys()])
  }
  return { introspects: [...new Set(names.map(({ value }) => value))] }
}

function resolveExchange(
  draft: ClientDraft,
  services: ReadonlyMap<string, Declared>,
  reading: Reading,
): Pick<Client, 'mayExchange' | 'mayExchangeBound'> {
  const { mayExchange: names, mayExchangeBound } = draft.value
  if (names === undefined) {
    if (mayExchangeBound !== undefined)
      mistake(reading, mayExchangeBound, 'it may exchange nothing', 'write mayExchange')
    return {}
  }
  for (const name of names) {
    if (!services.has(name.value)) unknownName(reading, name, 'service', name.value, [...services.keys()])
  }
  const [first] = names
  if (first !== undefined && (draft.value.may ?? new Map()).size === 0) {
    mistake(reading, first, 'there is nothing to exchange tokens for', 'say in may which services it calls')
  }
  return {
    mayExchange: [...new Set(names.map(({ value }) => value))],
    ...(mayExchangeBound === undefined ? {} : { mayExchangeBound: true }),
  }
}

/** The names granted, once each, all of them known to the service. */
function grantNames(
  names: readonly Located<string>[],
  what: 'role' | 'scope',
  service: string,
  known: readonly string[] | undefined,
  reading: Reading,
): readonly string[] {
  for (const name of names) {
    if (known === undefined || known.includes(name.value)) continue
    if (known.length > 0) unknownName(reading, name, `${what} of ${service}`, name.value, known)
    else mistake(reading, name, `${service} declares no ${what}s`, `add it to services.${service}.${what}s`)
  }
  return [...new Set(names.map(({ value }) => value))]
}
