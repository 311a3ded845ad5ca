import { isAlgorithm } from './algorithms.ts'
import type { Algorithm } from './algorithms.ts'
import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import type { VerificationKey } from './key.ts'
import { KeyTable, keepSame, readJwks } from './key-set.ts'
import type { FindFault, KeySet } from './key-set.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { isProblem, Problem } from '../core/problem.ts'
import { isLoopbackHost } from '../core/loopback.ts'
import type { SafeGetLimits } from '../core/safe-get.ts'

/** Options of {@link createRemoteKeySet}. */
export type RemoteKeySetOptions = {
  /** The exact `iss` whose keys these are; where discovery starts (RFC 8414 §3, OpenID Connect Discovery §4). */
  readonly issuer: string
  /** The JWK Set's URL, where the issuer has no discovery document. */
  readonly jwksUri?: string
  /** The algorithms that may be meant; keys of others are left out. */
  readonly algorithms?: readonly Algorithm[]
  /** How long keys are used when the reply does not say, seconds; 600 unless given. */
  readonly defaultTtlSeconds?: number
  /** The longest that keys are used without asking again, seconds; 3600 unless given. A removed key dies within it. */
  readonly maxTtlSeconds?: number
  /** How much longer keys are used while the endpoint fails, seconds; 3600 unless given. Then every request gets 503. */
  readonly staleIfErrorSeconds?: number
  /** The least time between two fetches for a `kid` that nobody has, seconds; 30 unless given. */
  readonly cooldownSeconds?: number
  /** For one whole fetch, milliseconds; 5000 unless given. */
  readonly timeoutMs?: number
  /** Lets the issuer's name resolve to a private address, as inside a cluster. */
  readonly allowPrivateAddresses?: boolean
  /** Fetches keys over plain `http:` from other machines: whoever sits on the network then chooses them. */
  readonly dangerouslyAllowHttp?: boolean
  readonly clock?: Clock
  /** Told what happened; never given key material. */
  readonly onEvent?: (event: RemoteKeySetEvent) => void
}

export type RemoteKeySetEvent =
  | { readonly kind: 'refreshed'; readonly issuer: string; readonly added: number; readonly removed: number }
  | { readonly kind: 'failed'; readonly issuer: string; readonly problem: Problem; readonly stale: boolean }

export type RemoteKeySet = KeySet & {
  readonly issuer: string
  /** Fetches now, whatever the age of the keys. @throws Problem `keys-unavailable` */
  refresh(): Promise<void>
}

/**
 * An issuer's published keys, kept fresh: renewed in the background at 80 % of their life while they are used, kept
 * for a bounded time while the endpoint fails, fetched once for a `kid` that is new, and bound to this issuer alone.
 *
 * Making one fetches nothing, so that a service starts while its issuer is down.
 *
 * @throws Problem `option-invalid` or `option-unknown`.
 * @example
 * const keySet = createRemoteKeySet({ issuer: 'https://issuer.acme.example', algorithms: ['ES256'] })
 */
export function createRemoteKeySet(options: RemoteKeySetOptions): RemoteKeySet {
  return new FetchedKeySet(options)
}

const minTtlSeconds = 30
const maxBytes = 256 * 1024
const retryMs = { first: 1000, last: 30_000 }

class FetchedKeySet implements RemoteKeySet {
  readonly issuer: string
  generation = 0
  checkAfterMs = 0
  readonly #options: RemoteKeySetOptions
  readonly #clock: Clock
  readonly #limits: SafeGetLimits
  readonly #cooldownMs: number
  readonly #staleMs: number
  #jwksUri: string | undefined
  #etag: string | undefined
  #table: KeyTable | undefined
  #refreshAtMs = 0
  #expiresAtMs = 0
  #unknownAfterMs = 0
  #failure: Problem | undefined
  #retryAtMs = 0
  #failures = 0
  #flight: Promise<void> | undefined

  constructor(options: RemoteKeySetOptions) {
    refuseUnknownOptions('createRemoteKeySet', options, optionNames)
    checkOptions(options)
    this.#options = options
    this.issuer = options.issuer
    this.#clock = options.clock ?? systemClock
    this.#cooldownMs = (options.cooldownSeconds ?? 30) * 1000
    this.#staleMs = (options.staleIfErrorSeconds ?? 3600) * 1000
    this.#limits = {
      timeoutMs: options.timeoutMs ?? 5000,
      maxBytes,
      allowPrivateAddresses: options.allowPrivateAddresses === true,
      allowLoopback: isLoopbackHost(new URL(options.jwksUri ?? options.issuer).hostname),
      dangerouslyAllowHttp: options.dangerouslyAllowHttp === true,
    }
  }

  find(keyId: string | undefined, algorithm: string, nowMs: number): VerificationKey | FindFault {
    const table = this.#table
    if (table === undefined || nowMs >= this.#expiresAtMs + this.#staleMs) return 'fetch'
    // Expired keys are used only while the endpoint is known to fail.
    if (nowMs >= this.#expiresAtMs && this.#failure === undefined) return 'fetch'
    if (nowMs >= this.#refreshAtMs) this.#refreshInBackground(nowMs)
    const found = table.find(keyId, algorithm)
    if (found !== 'unknown') return found
    // A new key, or a made-up one? One fetch tells, and everyone who asks meanwhile waits for the same.
    if (this.#flight !== undefined || this.#failure !== undefined) return 'fetch'
    if (nowMs < this.#unknownAfterMs) return 'unknown'
    this.#unknownAfterMs = nowMs + this.#cooldownMs
    return 'fetch'
  }

  load(nowMs: number): Promise<void> {
    if (this.#flight !== undefined) return this.#flight
    if (this.#failure !== undefined && nowMs < this.#retryAtMs)
      return Promise.reject(this.#unavailable(nowMs))
    this.#flight = this.#fetch(nowMs).finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  refresh(): Promise<void> {
    this.#retryAtMs = 0
    return this.load(this.#clock())
  }

  #refreshInBackground(nowMs: number): void {
    // Ask again in a second whether it has worked; #fetch sets the time anew when it ends.
    this.checkAfterMs = nowMs + retryMs.first
    if (this.#flight !== undefined || nowMs < this.#retryAtMs) return
    this.load(nowMs).catch(() => {
      // Kept in #failure and told through onEvent; the keys at hand go on serving.
    })
  }

  async #fetch(nowMs: number): Promise<void> {
    try {
      // Loaded here, since node:http and node:https take longer to load than all the rest of a verifier.
      this.#jwksUri ??= this.#options.jwksUri ?? (await this.#discover())
      const { safeGetJson } = await import('../core/safe-get.ts')
      const reply = await safeGetJson(this.#jwksUri, this.#limits, this.#table && this.#etag)
      if (reply.status === 200) this.#accept(reply.document)
      else if (reply.status !== 304 || this.#table === undefined) {
        throw new Problem('fetch-failed', `${this.#jwksUri}: answered ${reply.status}`)
      }
      this.#etag = reply.etag
      const ttlMs = 1000 * ttlSeconds(reply.cacheControl, this.#options)
      this.#failure = undefined
      this.#failures = 0
      this.#retryAtMs = 0
      this.#refreshAtMs = nowMs + ttlMs * 0.8
      this.#expiresAtMs = nowMs + ttlMs
      this.checkAfterMs = this.#refreshAtMs
    } catch (cause) {
      throw this.#failed(cause, nowMs)
    }
  }

  async #discover(): Promise<string> {
    const { fetchMetadata } = await import('../core/metadata.ts')
    const metadata = await fetchMetadata(this.issuer, this.#limits)
    const uri = metadata['jwks_uri']
    if (typeof uri !== 'string')
      throw new Problem('fetch-failed', `${this.issuer}: its metadata has no jwks_uri`)
    return uri
  }

  #accept(document: unknown): void {
    const { algorithms } = this.#options
    const read = readJwks(document, {
      where: this.#jwksUri!,
      ...(algorithms === undefined ? {} : { algorithms }),
    })
    const before = this.#table?.keys ?? []
    const keys = keepSame(before, read)
    const removed = before.filter((key) => !keys.includes(key)).length
    const added = keys.filter((key) => !before.includes(key)).length
    if (this.#table === undefined || added + removed > 0) {
      this.#table = new KeyTable(keys, this.#jwksUri!)
      this.generation++
    }
    this.#options.onEvent?.({ kind: 'refreshed', issuer: this.issuer, added, removed })
  }

  #failed(cause: unknown, nowMs: number): Problem {
    const problem = isProblem(cause) ? cause : new Problem('fetch-failed', 'unexpected failure', { cause })
    this.#failures++
    this.#retryAtMs = nowMs + Math.min(retryMs.first * 2 ** (this.#failures - 1), retryMs.last)
    this.#failure = problem
    // The place of the keys may have moved: look it up again next time.
    this.#jwksUri = undefined
    const stale = this.#table !== undefined && nowMs < this.#expiresAtMs + this.#staleMs
    if (stale) this.checkAfterMs = Math.min(this.#retryAtMs, this.#expiresAtMs + this.#staleMs)
    this.#options.onEvent?.({ kind: 'failed', issuer: this.issuer, problem, stale })
    return this.#unavailable(nowMs)
  }

  #unavailable(nowMs: number): Problem {
    const failure = this.#failure!
    return new Problem('keys-unavailable', `the keys of ${this.issuer} cannot be had: ${failure.message}`, {
      cause: failure,
      retryAfterSeconds: Math.max(1, Math.ceil((this.#retryAtMs - nowMs) / 1000)),
      ...(failure.next === undefined ? {} : { next: failure.next }),
    })
  }
}

/** How long the reply may be used (RFC 9111 §5.2.2), within our bounds. */
function ttlSeconds(cacheControl: string | undefined, options: RemoteKeySetOptions): number {
  const longest = options.maxTtlSeconds ?? 3600
  let seconds = options.defaultTtlSeconds ?? 600
  for (const directive of (cacheControl ?? '').toLowerCase().split(',')) {
    const [name, value] = directive.trim().split('=', 2)
    if (name === 'no-store' || name === 'no-cache') seconds = 0
    else if (name === 'max-age' && value !== undefined && /^\d{1,9}$/.test(value)) seconds = Number(value)
  }
  return Math.min(Math.max(seconds, minTtlSeconds), longest)
}

function checkOptions(options: RemoteKeySetOptions): void {
  for (const name of ['issuer', 'jwksUri'] as const) {
    const value = options[name]
    if (name === 'jwksUri' && value === undefined) continue
    if (typeof value !== 'string' || !URL.canParse(value)) {
      throw new Problem('option-invalid', `createRemoteKeySet: ${name} must be a URL`)
    }
  }
  const { algorithms } = options
  if (algorithms !== undefined && !(Array.isArray(algorithms) && algorithms.every(isAlgorithm))) {
    throw new Problem('option-invalid', 'createRemoteKeySet: algorithms must be a list of known algorithms')
  }
  for (const name of durations) {
    const value = options[name]
    if (value !== undefined && !(Number.isFinite(value) && value >= 0)) {
      throw new Problem('option-invalid', `createRemoteKeySet: ${name} must be a number of at least 0`)
    }
  }
}

const durations = [
  'defaultTtlSeconds',
  'maxTtlSeconds',
  'staleIfErrorSeconds',
  'cooldownSeconds',
  'timeoutMs',
] as const

const optionNames = [
  'issuer',
  'jwksUri',
  'algorithms',
  'allowPrivateAddresses',
  'dangerouslyAllowHttp',
  'clock',
  'onEvent',
  ...durations,
]
