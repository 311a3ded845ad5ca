import { adminServiceName } from './admin-service.ts'
import { kindText, mistake, shown, unknownName, warning } from './reading.ts'
import type { Reading, Spot } from './reading.ts'
import { fields, list, located, named, oneOrMany, optional, required, text, onlyTrue } from './shape.ts'
import type { Shape, Wrong } from './shape.ts'
import { serviceBind } from './dpop-section.ts'
import { byteSize } from './byte-size.ts'
import { claimHeaders } from './claim-headers.ts'
import { corsSection } from './cors-section.ts'
import { rateLimit } from './rate-limit.ts'
import { audience, hostName, isFieldName, nameKey, pathPrefix, scopeToken } from './scalars.ts'
import { resolveUpstream, upstreamSection } from './upstream-section.ts'
import { resolveRoutes, routesSection, scopesAskedFor } from './route-section.ts'
import type { Declared } from './route-section.ts'
import { resolveWebSocket, websocketSection } from './websocket-section.ts'
import { tokenSection } from './token-section.ts'
import type { Route, Service, TokenPlace } from './trust.ts'

/** How our own issuer is named in `accepts`. */
export const ownIssuerName = 'own'

/** The `services` section: what is called. */
export const servicesSection = named(
  nameKey('service names', { [adminServiceName]: 'it is the issuer’s own admin API' }),
  fields({
    audience: required(located(audience()), 'The aud claim of tokens for this service, exactly.'),
    roles: optional(list(scopeToken('role'), { what: 'roles', min: 0 }), 'The roles this service knows.'),
    scopes: optional(
      list(scopeToken('scope'), { what: 'scopes', min: 0 }),
      'The scopes this service knows; those its routes ask for unless said otherwise.',
    ),
    upstream: optional(
      upstreamSection(),
      'Where the gateway forwards to: a URL, several, or a map; without it the service is guarded by itself only.',
    ),
    at: optional(located(pathPrefix()), 'Path prefix at the gateway, taken off before forwarding.'),
    host: optional(located(hostName()), 'Host name at the gateway, instead of at.'),
    accepts: optional(
      oneOrMany(located(issuerName()), { what: 'issuers', min: 0 }),
      'Whose tokens are accepted: own (our issuer) and names from trusted; [own] unless said otherwise.',
    ),
    tokenFrom: optional(
      oneOrMany(tokenPlace(), { what: 'places' }),
      'Where the token is looked for: bearer, { header: Name }, { cookie: name }; [bearer] unless said otherwise.',
    ),
    transactions: optional(
      located(onlyTrue()),
      'Takes transaction tokens of our issuer, from the header Txn-Token, instead of access tokens.',
    ),
    bind: optional(
      located(serviceBind()),
      'Takes only tokens bound to their client: dpop, certificate, or any of the two; bearer tokens as well unless said.',
    ),
    websocket: optional(websocketSection, 'Which routes may become WebSockets; none unless said.'),
    limit: optional(
      rateLimit(),
      'How often one caller may use it, whatever the route: 100/s, 600/m or 5000/h.',
    ),
    bodyLimit: optional(
      byteSize(),
      'The longest body of a request: 64KiB, 10MiB or 1GiB; 413 above it, any length unless said.',
    ),
    cors: optional(corsSection(), 'Which web pages may call it; the service’s own matter unless given.'),
    token: optional(
      tokenSection(),
      'What becomes of the caller’s token: forward, remove or { exchange: { client, secret } }; forward.',
    ),
    claimHeaders: optional(claimHeaders(), 'Headers for the service that are filled from claims.'),
    routes: optional(
      routesSection,
      'What may be called, and what it takes: open, authenticated or a policy. All else is denied.',
    ),
  }),
)

export type ServiceDrafts = typeof servicesSection extends Shape<infer T> ? T : never
export type ServiceDraft = ServiceDrafts extends ReadonlyMap<string, infer D> ? D : never

/** What stands around a service and its parts must agree with. */
export type ServiceSurroundings = {
  readonly hasIssuer: boolean
  readonly trustedNames: readonly string[]
}

/** One service with its defaults; undefined when something in it was mistaken. */
export function resolveService(
  name: string,
  draft: ServiceDraft,
  { hasIssuer, trustedNames }: ServiceSurroundings,
  reading: Reading,
): Service | undefined {
  const { value } = draft
  const declared = declaredNames(draft)
  const routes = resolveRoutes(value.routes ?? new Map(), { ...declared, scopes: value.scopes }, reading)
  checkPlaceAtGateway(draft, reading)
  const accepts = resolveAccepts(draft, { hasIssuer, trustedNames }, routes, reading)
  const upstreamSettings = value.upstream && resolveUpstream(value.upstream, reading)
  if (value.websocket !== undefined && upstreamSettings?.protocol === 'h2') {
    mistake(reading, value.websocket, 'a WebSocket needs an upstream of http/1.1', 'take one of them out')
  }
  if (value.audience === undefined) return undefined
  return {
    name,
    audience: value.audience.value,
    roles: declared.roles ?? [],
    scopes: declared.scopes ?? [],
    upstream: value.upstream?.targets[0]?.value,
    ...(upstreamSettings === undefined ? {} : { upstreamSettings }),
    ...(value.websocket === undefined
      ? {}
      : { websocket: resolveWebSocket(value.websocket, routes, reading) }),
    at: value.at?.value,
    host: value.host?.value,
    accepts: accepts.filter((issuer) => issuer !== ownIssuerName),
    acceptsOwn: accepts.includes(ownIssuerName),
    tokenFrom: value.tokenFrom ?? [value.transactions === undefined ? { kind: 'bearer' } : transactionPlace],
    ...(value.transactions === undefined ? {} : { transactions: true }),
    ...(value.bind === undefined ? {} : { bind: value.bind.value }),
    ...(value.limit === undefined ? {} : { limit: value.limit }),
    ...(value.bodyLimit === undefined ? {} : { bodyLimitBytes: value.bodyLimit }),
    ...(value.cors === undefined ? {} : { cors: value.cors }),
    // An exchange needs the clients, which are read later.
    ...(typeof value.token?.value === 'string' ? { token: value.token.value } : {}),
    ...(value.claimHeaders === undefined ? {} : { claimHeaders: value.claimHeaders }),
    routes,
  }
}

/** The roles and scopes a client may be granted. Without `scopes`, they are those that the routes ask for. */
export function declaredNames({ tree, value, path }: ServiceDraft): Declared {
  const entries = tree.kind === 'map' ? tree.entries : new Map<string, Spot['tree']>()
  const routes = entries.get('routes')
  const asked = routes === undefined ? [] : scopesAskedFor({ tree: routes, path })
  return {
    roles: value.roles !== undefined ? unique(value.roles) : entries.has('roles') ? undefined : [],
    scopes:
      value.scopes !== undefined ? unique(value.scopes) : entries.has('scopes') ? undefined : unique(asked),
  }
}

/** Where draft-ietf-oauth-transaction-tokens puts them. */
const transactionPlace: TokenPlace = { kind: 'header', name: 'Txn-Token' }

function checkPlaceAtGateway(draft: ServiceDraft, reading: Reading): void {
  const { at, host } = draft.value
  const written = (key: string) => draft.tree.kind === 'map' && draft.tree.entries.has(key)
  if (at !== undefined && host !== undefined) {
    mistake(
      reading,
      host,
      'at and host exclude each other',
      'a service is found by its path prefix or by its host name',
    )
  }
  const atGateway = written('at') || written('host')
  if (atGateway && !written('upstream')) {
    mistake(
      reading,
      atGatewaySpot(draft),
      'the gateway has nowhere to forward to',
      'write `upstream: http://host:port`',
    )
  }
  if (!atGateway && written('upstream')) {
    const next = 'write `at: /prefix` or `host: name`'
    mistake(
      reading,
      { ...draft, path: [...draft.path, 'at'], tree: atKeyOf(draft) },
      'missing beside upstream',
      next,
    )
  }
  const first = at?.value.split('/')[1]
  if (at !== undefined && first !== undefined && Object.hasOwn(reservedPaths, first)) {
    mistake(reading, at, `/${first} is the gateway's own: ${reservedPaths[first]}`, 'choose another prefix')
  }
}

function atGatewaySpot(draft: ServiceDraft): Spot {
  return draft.value.at ?? draft.value.host ?? { tree: atKeyOf(draft), path: draft.path }
}

function atKeyOf({ tree }: Spot): Spot['tree'] {
  return { ...tree, place: tree.keyPlace }
}

function resolveAccepts(
  draft: ServiceDraft,
  { hasIssuer, trustedNames }: ServiceSurroundings,
  routes: readonly Route[],
  reading: Reading,
): readonly string[] {
  const known = hasIssuer ? [ownIssuerName, ...trustedNames] : trustedNames
  const { accepts } = draft.value
  for (const issuer of accepts ?? []) {
    if (issuer.value === ownIssuerName && !hasIssuer) {
      mistake(reading, issuer, 'there is no issuer section, so no own issuer', 'name a trusted issuer')
    } else if (!known.includes(issuer.value)) {
      unknownName(reading, issuer, 'trusted issuer', issuer.value, known)
    }
  }
  const wanted = (accepts ?? [{ value: ownIssuerName }]).map(({ value }) => value)
  const accepted = unique(wanted).filter((issuer) => known.includes(issuer))
  const spot = { tree: atKeyOf(draft), path: [...draft.path, 'accepts'] }
  // Where a name in the list is wrong, that has been said.
  const nobody = accepted.length === 0 && (accepts === undefined || accepts.length === 0)
  if (nobody && routes.some(({ requirement }) => requirement !== 'open')) {
    const next = known.length > 0 ? `write \`accepts: [${known.join(', ')}]\`` : 'add an issuer section'
    mistake(reading, spot, 'routes ask for a token, and nobody’s tokens are accepted', next)
  }
  if (draft.value.routes === undefined || draft.value.routes.size === 0) {
    warning(reading, { ...spot, path: [...draft.path, 'routes'] }, 'no routes: every request to it is denied')
  }
  return accepted
}

function issuerName(): Shape<string> {
  return text((value) => ({ value }), {}, { overridable: false, expected: 'the name of an issuer' })
}

/** `bearer`, `{ header: Token }` or `{ cookie: session }`. */
function tokenPlace(): Shape<TokenPlace> {
  const members = fields({
    header: optional(
      text(readHeaderName, {}, { overridable: false }),
      'A header whose whole value is the token.',
    ),
    cookie: optional(
      text(readCookieName, {}, { overridable: false }),
      'A cookie whose whole value is the token.',
    ),
  })
  return {
    schema: { anyOf: [{ const: 'bearer' }, { ...members.schema, minProperties: 1, maxProperties: 1 }] },
    read(spot, reading) {
      const { tree } = spot
      if (tree.kind === 'scalar' && tree.value === 'bearer') return { kind: 'bearer' }
      if (tree.kind !== 'map') {
        return mistake(
          reading,
          spot,
          `expected bearer, { header: Name } or { cookie: name }, got ${kindText(tree)}`,
        )
      }
      const before = reading.mistakes.length
      const draft = members.read(spot, reading)
      if (draft === undefined || reading.mistakes.length > before) return undefined
      const { header, cookie } = draft
      if (header !== undefined && cookie === undefined) return { kind: 'header', name: header }
      if (cookie !== undefined && header === undefined) return { kind: 'cookie', name: cookie }
      return mistake(reading, spot, 'expected exactly one of header and cookie')
    },
  }
}

function readHeaderName(value: string): { value: string } | Wrong {
  if (!isFieldName(value)) return { message: `expected the name of a header, got ${shown(value)}` }
  if (value.toLowerCase() === 'authorization')
    return { message: 'Authorization is read as a whole', next: 'write bearer' }
  const taken = takenHeaders.includes(value.toLowerCase()) || value.toLowerCase().startsWith('countersign-')
  return taken
    ? { message: `the header ${value} has another meaning`, next: 'choose another header' }
    : { value }
}

function readCookieName(value: string): { value: string } | Wrong {
  return isFieldName(value) ? { value } : { message: `expected the name of a cookie, got ${shown(value)}` }
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)]
}

/** Headers that frame or route a request: a token in one of them would be forwarded wrongly or not at all. */
const takenHeaders = [
  'connection',
  'content-length',
  'content-type',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
]

/** First segments the gateway answers itself. */
const reservedPaths: Readonly<Record<string, string>> = {
  '.well-known': 'metadata',
  authz: 'decisions for other proxies',
}
