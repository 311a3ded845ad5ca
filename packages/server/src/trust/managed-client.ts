import { clientsSection, resolveClient } from './client-section.ts'
import { openReading } from './reading.ts'
import type { Tree } from './tree.ts'
import type { Client, Service } from './trust.ts'

/** The settings of a client that is kept in the store: what the trust file says under `clients.ID`, without a secret. */
export type ClientSettings = { readonly [key: string]: unknown }

export type SettingsReading =
  | { readonly kind: 'client'; readonly client: Client }
  | { readonly kind: 'mistakes'; readonly mistakes: readonly SettingsMistake[] }

/** `path` begins at the settings: `may.billing.roles[0]`. */
export type SettingsMistake = { readonly path: string; readonly message: string; readonly next?: string }

/**
 * Reads the settings of a managed client by the trust file's own rules, so that both kinds of clients are the same.
 * `authenticate` is left out by a client with secrets: those are minted, and never come from a variable or file here.
 *
 * @param services by name: all that `may` can name.
 * @param trusted the trusted issuers' names: all that `mayAssert` can name.
 * @example
 * readClientSettings('c7h2', { may: { billing: { roles: ['reader'] } } }, trust.services)
 */
export function readClientSettings(
  id: string,
  settings: ClientSettings,
  services: ReadonlyMap<string, Service>,
  trusted: readonly string[] = [],
): SettingsReading {
  const authenticate = settings['authenticate']
  if (isObject(authenticate) && 'secret' in authenticate) {
    const message = 'the issuer mints the secret itself'
    return { kind: 'mistakes', mistakes: [{ path: 'authenticate.secret', message, next: 'leave it out' }] }
  }
  // The file's shape wants one way to authenticate; the name is never looked up, since nothing is loaded here.
  const complete = 'authenticate' in settings ? settings : { ...settings, authenticate: mintedSecret }
  const reading = openReading({ file: '', env: {}, readFile: refuseToRead, secretsFor: 'none' })
  const drafts = clientsSection.read({ tree: treeOf({ [root]: complete }), path: [] }, reading)
  const draft = drafts?.get(root)
  const client = draft && resolveClient(id, draft, services, reading, trusted)
  if (client !== undefined && reading.mistakes.length === 0) return { kind: 'client', client }
  const mistakes = reading.mistakes.map(({ path, message, next }) => ({
    path: path === root ? '' : path.slice(root.length + 1),
    message,
    ...(next === undefined ? {} : { next }),
  }))
  return { kind: 'mistakes', mistakes }
}

/**
 * The same settings without what the trust file no longer has: a service, role, scope or trusted issuer that left it must
 * not take a client's other rights along. What is left out can only narrow.
 */
export function withoutUnknown(
  settings: ClientSettings,
  services: ReadonlyMap<string, Service>,
  trusted: readonly string[] = [],
): ClientSettings {
  const { may, mayExchange, mayExchangeBound, mayAssert, introspects } = settings
  const known = isObject(may)
    ? Object.entries(may).flatMap(([name, grant]) => {
        const service = services.get(name)
        if (service === undefined || !isObject(grant)) return []
        const { roles, scopes, ...rest } = grant
        const kept = [
          name,
          { ...rest, ...among('roles', roles, service), ...among('scopes', scopes, service) },
        ]
        return [kept as [string, object]]
      })
    : []
  const exchanged = listOf(mayExchange).filter((name) => services.has(String(name)))
  const exchanges = known.length > 0 && exchanged.length > 0
  const asserted = isObject(mayAssert)
    ? Object.entries(mayAssert).filter(([name]) => trusted.includes(name))
    : []
  const introspected = listOf(introspects).filter((name) => services.has(String(name)))
  return {
    ...settings,
    ...(may === undefined ? {} : { may: Object.fromEntries(known) }),
    mayExchange: exchanges ? exchanged : undefined,
    mayExchangeBound: exchanges ? mayExchangeBound : undefined,
    mayAssert: asserted.length === 0 ? undefined : Object.fromEntries(asserted),
    introspects: introspected.length === 0 ? undefined : introspected,
  }
}

function among(what: 'roles' | 'scopes', names: unknown, service: Service): Record<string, unknown> {
  const kept = listOf(names).filter((name) => service[what].includes(String(name)))
  return kept.length === 0 ? {} : { [what]: kept }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : value === undefined ? [] : [value]
}

function treeOf(value: unknown): Tree {
  if (Array.isArray(value)) return { ...nowhere, kind: 'list', items: value.map(treeOf) }
  if (isObject(value)) {
    const present = Object.entries(value).filter(([, inner]) => inner !== undefined)
    const entries = present.map(([key, inner]): [string, Tree] => [key, treeOf(inner)])
    return { ...nowhere, kind: 'map', entries: new Map(entries) }
  }
  return { ...nowhere, kind: 'scalar', value: value as string | number | boolean | null }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refuseToRead(): string {
  throw new Error('a managed client reads no files')
}

const root = 'client'
const mintedSecret = { secret: { env: 'MINTED' } }
const start = { line: 1, column: 1 }
const nowhere = { place: start, keyPlace: start }
