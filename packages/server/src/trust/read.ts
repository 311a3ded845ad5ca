import { atKey, mistake, openReading, warning } from './reading.ts'
import type { Located, Reading, ReadTrustOptions, Spot } from './reading.ts'
import { adminScopes, adminService, adminServiceName } from './admin-service.ts'
import { inFileOrder } from './mistake.ts'
import type { Mistake } from './mistake.ts'
import { resolveClient } from './client-section.ts'
import { checkPlatforms } from './federated-section.ts'
import { trustFile } from './file-shape.ts'
import { checkBindings, resolveGateway } from './gateway-section.ts'
import type { TrustFileDraft } from './file-shape.ts'
import { resolveIssuer } from './issuer-section.ts'
import { checkListenPlaces } from './listen-places.ts'
import { resolveOperations } from './operations-section.ts'
import { applyOverrides } from './overrides.ts'
import { declaredNames, resolveService } from './service-section.ts'
import { resolveToken } from './token-section.ts'
import { checkTransactions, resolveTransactions } from './transactions-section.ts'
import { resolveTrusted } from './trusted-section.ts'
import { readTree } from './tree.ts'
import type { Tree } from './tree.ts'
import type { Client, FederatedAssertion, Service, Trust, TrustedIssuer } from './trust.ts'

export type { ReadTrustOptions }

export type TrustReading =
  | { readonly kind: 'trust'; readonly trust: Trust; readonly warnings: readonly Mistake[] }
  | {
      readonly kind: 'mistakes'
      readonly mistakes: readonly Mistake[]
      readonly warnings: readonly Mistake[]
    }

/**
 * Reads a trust file: every default filled in, every name resolved, every secret loaded, deeply frozen; or every mistake
 * at once. Never throws, whatever the text.
 *
 * @example
 * const reading = readTrust(text, { file: 'countersign.yaml', env: process.env, readFile })
 * if (reading.kind === 'mistakes') console.error(mistakesText('countersign.yaml', reading.mistakes))
 */
export function readTrust(text: string, options: ReadTrustOptions): TrustReading {
  const parsed = readTree(text)
  if (parsed.kind === 'mistakes') return { ...parsed, warnings: [] }
  const reading = openReading(options)
  const tree = applyOverrides(parsed.tree, trustFile, Object.keys(options.env), reading)
  const draft = trustFile.read({ tree, path: [] }, reading)
  const trust = draft === undefined ? undefined : resolveTrust(draft, options.file, tree, reading)
  const mistakes = inFileOrder(reading.mistakes)
  const warnings = inFileOrder(reading.warnings)
  if (trust === undefined || mistakes.length > 0) return { kind: 'mistakes', mistakes, warnings }
  return { kind: 'trust', trust: deepFreeze(trust), warnings }
}

function resolveTrust(draft: TrustFileDraft, file: string, root: Tree, reading: Reading): Trust {
  const issuer =
    draft.issuer === undefined ? undefined : resolveIssuer(draft.issuer, draft.trustedProxies, reading)
  const trusted = new Map<string, TrustedIssuer>()
  for (const [name, item] of draft.trusted ?? []) {
    const resolved = resolveTrusted(name, item, reading)
    if (resolved !== undefined) trusted.set(name, resolved)
  }
  const surroundings = {
    hasIssuer: draft.issuer !== undefined,
    trustedNames: [...(draft.trusted?.keys() ?? [])],
  }
  const services = new Map<string, Service>()
  for (const [name, item] of draft.services ?? []) {
    const resolved = resolveService(name, item, surroundings, reading)
    if (resolved !== undefined) services.set(name, resolved)
  }
  const declared = new Map([...(draft.services ?? [])].map(([name, item]) => [name, declaredNames(item)]))
  if (issuer?.admin !== undefined) declared.set(adminServiceName, { roles: [], scopes: adminScopes })
  const clients = new Map<string, Client>()
  for (const [id, item] of draft.clients ?? []) {
    const resolved = resolveClient(id, item, declared, reading, surroundings.trustedNames)
    if (resolved !== undefined) clients.set(id, resolved)
  }
  for (const [name, { value }] of draft.services ?? []) {
    const service = services.get(name)
    const token = value.token && resolveToken(value.token, name, clients, reading)
    if (service !== undefined && token !== undefined) services.set(name, { ...service, token })
  }
  checkIssuersDiffer(draft, reading)
  checkServicesDiffer(draft, reading)
  if (issuer?.admin !== undefined) checkAdminAudience(draft, adminService(issuer.url).audience, reading)
  checkClientsHaveIssuer(draft, reading)
  checkPlatforms(platformsOf(draft, clients), draft.issuer?.value.url?.value, reading)
  checkCertificates(draft, reading)
  checkTransactions(draft, reading)
  checkBindings(draft.services, draft.gateway, reading)
  const gateway = draft.gateway && resolveGateway(draft.gateway, draft.trustedProxies, reading)
  checkListenPlaces(root, issuer, gateway, reading)
  return {
    file,
    issuer,
    gateway,
    trusted,
    services,
    clients,
    operations:
      draft.operations && resolveOperations(draft.operations, [issuer?.listen, gateway?.listen], reading),
    trustedProxies: draft.trustedProxies ?? [],
    ...resolveTransactions(draft.transactions),
  }
}

/** A client whose certificate nobody asks for could never get a token. */
function checkCertificates({ issuer, clients }: TrustFileDraft, reading: Reading): void {
  if (issuer === undefined) return
  const { clientCertificates } = issuer.value
  for (const { value } of clients?.values() ?? []) {
    const { bind, authenticate } = value
    const certificate = authenticate?.value.certificate
    const spot = certificate ?? (bind?.value === 'certificate' ? bind : undefined)
    if (spot !== undefined && clientCertificates === undefined) {
      mistake(reading, spot, 'the issuer asks nobody for a certificate', 'add `clientCertificates` to issuer')
    } else if (certificate?.value.kind === 'named' && clientCertificates?.value.authorities === undefined) {
      mistake(
        reading,
        certificate,
        'anybody could write this name into a certificate',
        'say in issuer.clientCertificates.authorities who signs them, or name the thumbprint',
      )
    }
  }
}

/** One `iss`, one set of keys: with two, a token of one could be taken for the other's (RFC 8725 §3.8). */
function checkIssuersDiffer(draft: TrustFileDraft, reading: Reading): void {
  const own = draft.issuer?.value.url
  const all = [...(draft.trusted?.values() ?? [])].flatMap(({ value }) => value.issuer ?? [])
  refuseRepeats(
    own === undefined ? all : [own, ...all],
    reading,
    (first) => `the same issuer as on line ${first}`,
  )
}

/** A token's audience says which service it is for, and a path which service is asked: both must say one thing. */
function checkServicesDiffer(draft: TrustFileDraft, reading: Reading): void {
  const services = [...(draft.services?.values() ?? [])].map(({ value }) => value)
  const said = (first: number) => `the same as on line ${first}`
  refuseRepeats(
    services.flatMap(({ audience }) => audience ?? []),
    reading,
    (first) => `the same audience as on line ${first}: a token for one service would open the other`,
  )
  const prefixes = services.flatMap(({ at }) => at ?? [])
  refuseRepeats(prefixes, reading, said)
  refuseRepeats(
    services.flatMap(({ host }) => host ?? []),
    reading,
    said,
  )
  for (const inner of prefixes) {
    const outer = prefixes.find(({ value }) => value !== '/' && inner.value.startsWith(`${value}/`))
    if (outer === undefined) continue
    warning(
      reading,
      inner,
      `lies inside ${outer.value} on line ${outer.tree.place.line}: the longer prefix wins`,
    )
  }
}

/** A token for such a service would open the admin API, with scopes that the service makes up. */
function checkAdminAudience({ services }: TrustFileDraft, taken: string, reading: Reading): void {
  for (const { value } of services?.values() ?? []) {
    if (value.audience?.value === taken)
      mistake(reading, value.audience, 'the audience of the admin API', 'give the service its own')
  }
}

/** Each client's platform with the place where it is named. */
function platformsOf(
  draft: TrustFileDraft,
  clients: ReadonlyMap<string, Client>,
): Located<FederatedAssertion>[] {
  return [...clients].flatMap(([id, { assertion }]) => {
    const spot = draft.clients?.get(id)?.value.authenticate?.value.federated
    return assertion?.kind === 'federated' && spot !== undefined ? [{ ...spot, value: assertion }] : []
  })
}

function checkClientsHaveIssuer(draft: TrustFileDraft, reading: Reading): void {
  const [first] = draft.clients?.values() ?? []
  if (first === undefined || draft.issuer !== undefined) return
  const spot: Spot = { tree: atKey(first.tree), path: ['clients'] }
  mistake(
    reading,
    spot,
    'clients get their tokens from our issuer, and there is no issuer section',
    'add one',
  )
}

function refuseRepeats(
  values: readonly Located<string>[],
  reading: Reading,
  message: (firstLine: number) => string,
): void {
  const seen = new Map<string, Located<string>>()
  for (const value of values) {
    const first = seen.get(value.value)
    if (first !== undefined) mistake(reading, value, message(first.tree.place.line), 'give each its own')
    seen.set(value.value, first ?? value)
  }
}

/** Freezes what the readers made; a Secret freezes itself, and a Map is read through ReadonlyMap. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const inner of value instanceof Map ? value.values() : Object.values(value)) deepFreeze(inner)
  return Object.freeze(value)
}
