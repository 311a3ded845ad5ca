import { isProblem, Problem } from '@countersign/sdk/core'
import type { Clock } from '@countersign/sdk/core'
import type { Log } from '../../log.ts'
import type { Store } from '../../store/store.ts'
import { adminService, adminServiceName } from '../../trust/admin-service.ts'
import { readClientSettings, withoutUnknown } from '../../trust/managed-client.ts'
import type { ClientSettings } from '../../trust/managed-client.ts'
import type { Client, Service, Trust } from '../../trust/trust.ts'
import { padDigests } from './client-auth.ts'
import { readManaged } from './managed-client.ts'

/** The store's clients as the token path sees them: in memory, and never more than some seconds old. */
export type ManagedClients<Rules> = {
  /**
   * The client with this id; undefined when there is none, it is disabled, or the trust file declares one.
   *
   * @throws Problem `clients-stale` when the store could not be read for so long that it may have been disabled since.
   */
  find(clientId: string, nowMs: number): FoundClient<Rules> | undefined
  /** Whether this is the id of a managed client, disabled or not. */
  has(clientId: string): boolean
  readonly size: number
  /** Takes over what changed in the store. Called by itself every `refreshSeconds`. */
  refresh(): Promise<void>
  /** Goes by another trust file's services and clients from now on. */
  replace(trust: Trust): void
  /** Resolves when no use of the store is under way any more. */
  close(): Promise<void>
}

export type FoundClient<Rules> = {
  readonly client: Client
  /** SHA-256 of each of its secrets, and random ones up to two. */
  readonly digests: readonly Buffer[]
  readonly rules: Rules
}

export type ManagedClientsOptions<Rules> = {
  readonly store: Pick<Store, 'readClientChanges'>
  readonly trust: Trust
  /**
   * What is worked out once for a client: when it first asks for a token, since most do not for a long time. Clients with
   * equal settings have the very same `may`.
   */
  readonly compile: (client: Client, trust: Trust) => Rules
  readonly clock: Clock
  readonly log: Log
  /** How often the store is asked what changed, in seconds. */
  readonly refreshSeconds?: number
  /** For how long a client is taken for what it was while the store cannot be read, in seconds. */
  readonly staleAfterSeconds?: number
}

/**
 * Reads all managed clients and follows their changes. A look-up is one in a map: the store is asked by the clock, never
 * by a request, and nothing is written. Of each client its settings are kept as text, a few hundred bytes; the rules are
 * worked out when they are first needed.
 *
 * A change counts on every replica after `refreshSeconds` at most, and at once on the one that wrote it.
 *
 * @throws Problem `store-unavailable`
 */
export async function openManagedClients<Rules>(
  options: ManagedClientsOptions<Rules>,
): Promise<ManagedClients<Rules>> {
  const { store, compile, clock, log, refreshSeconds = 2, staleAfterSeconds = usualStaleSeconds } = options
  const entries = new Map<string, Entry<Rules>>()
  const known = new Map<string, Client>()
  let { trust } = options
  let services = servicesOf(trust)
  let version = 0
  let readAtMs = clock()

  const read = async (): Promise<void> => {
    const begunAtMs = clock()
    for (;;) {
      const changes = await store.readClientChanges(version, pageSize)
      for (const { id, removed, settings, version: changed } of changes) {
        version = changed
        if (removed) entries.delete(id)
        else entries.set(id, { settings, found: undefined })
        if (!removed && trust.clients.has(id)) warnOfDeclared(id)
      }
      if (changes.length < pageSize) break
    }
    readAtMs = begunAtMs
  }
  const warnOfDeclared = (client: string): void =>
    log.warn('clients.declared', {
      client,
      detail: 'is in the store as well; the trust file’s counts',
      file: trust.file,
    })

  // One at a time, and whoever asks gets a reading that began after they asked.
  let queue: Promise<void> = Promise.resolve()
  const refresh = (): Promise<void> => {
    const turn = queue.then(read)
    queue = turn.catch(() => undefined)
    return turn
  }
  let refreshing = false
  const timer = setInterval(() => {
    if (refreshing) return
    refreshing = true
    refresh()
      .catch((error: unknown) =>
        log.warn('clients.refresh-failed', { message: isProblem(error) ? error.message : 'unexpected' }),
      )
      .finally(() => (refreshing = false))
  }, refreshSeconds * 1000)
  timer.unref()

  /** Most clients are like many others, and reading settings is most of the work. */
  const readSettings = (id: string, settings: ClientSettings): Client | undefined => {
    const text = JSON.stringify(settings)
    let like = known.get(text)
    if (like === undefined) {
      const trusted = [...trust.trusted.keys()]
      const reading = readClientSettings(id, withoutUnknown(settings, services, trusted), services, trusted)
      if (reading.kind === 'mistakes') {
        log.error('clients.unusable', { client: id, detail: reading.mistakes[0]?.message })
        return undefined
      }
      like = reading.client
      known.set(text, like)
      if (known.size > rememberedSettings) known.delete(known.keys().next().value as string)
    }
    return { ...like, id }
  }
  const open = (id: string, { settings }: Entry<Rules>): FoundClient<Rules> | 'nobody' => {
    const managed = readManaged({ id, revision: 0, settings })
    if (managed.disabled) return 'nobody'
    const client = readSettings(id, managed.settings)
    if (client === undefined) return 'nobody'
    const digests = managed.secrets.map(({ digest }) => Buffer.from(digest, 'base64url'))
    return { client, digests: padDigests(digests), rules: compile(client, trust) }
  }

  try {
    await refresh()
  } catch (error) {
    clearInterval(timer)
    throw error
  }

  return {
    find(clientId, nowMs) {
      const entry = entries.get(clientId)
      if (entry === undefined || trust.clients.has(clientId)) return undefined
      if (nowMs - readAtMs > staleAfterSeconds * 1000) {
        throw new Problem(
          'clients-stale',
          `managed clients were last read ${Math.floor((nowMs - readAtMs) / 1000)} s ago`,
          { next: 'bring the store back', retryAfterSeconds: refreshSeconds },
        )
      }
      entry.found ??= open(clientId, entry)
      return entry.found === 'nobody' ? undefined : entry.found
    },
    has: (clientId) => entries.has(clientId),
    get size() {
      return entries.size
    },
    refresh,
    replace(next) {
      trust = next
      services = servicesOf(next)
      known.clear()
      for (const [id, entry] of entries) {
        entry.found = undefined
        if (next.clients.has(id)) warnOfDeclared(id)
      }
    },
    async close() {
      clearInterval(timer)
      await queue
    },
  }
}

/** Everything that a client's `may` can name: the trust file's services, and the admin API where there is one. */
export function servicesOf({ issuer, services }: Pick<Trust, 'issuer' | 'services'>): Trust['services'] {
  if (issuer?.admin === undefined) return services
  const all = new Map<string, Service>(services)
  all.set(adminServiceName, adminService(issuer.url))
  return all
}

/** `found` is worked out when it is first asked for, and forgotten when the client or the trust file changes. */
type Entry<Rules> = {
  readonly settings: string
  found: FoundClient<Rules> | 'nobody' | undefined
}

/**
 * When a change counts at every replica that reaches the store: within two seconds by itself, and a little more for a slow
 * store and for clocks that differ.
 */
export const knownEverywhereSeconds = 5
const usualStaleSeconds = 300
/** When it counts at those as well that do not: then they know that they know nothing. */
export const knownByAllSeconds = usualStaleSeconds + knownEverywhereSeconds
const pageSize = 1000
const rememberedSettings = 1000
