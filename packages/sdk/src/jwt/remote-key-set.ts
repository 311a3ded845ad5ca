import { isAlgorithm } from './algorithms.ts'
import type { Algorithm } from './algorithms.ts'
import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import type { VerificationKey } from './key.ts'
import { KeyTable, keepSame } from './key-set.ts'
import type { FindFault, KeySet } from './key-set.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { isProblem, Problem } from '../core/problem.ts'
import { isLoopbackHost } from '../core/loopback.ts'
import type { SafeGetLimits } from '../core/safe-get.ts'

/** Options of {@link createRemoteKeySet}. */
export type RemoteKeySetOptions = {
  /**
   * The exact `iss` whose keys these are; where discovery starts (RFC 8414 §3, OpenID Connect Discovery §4). It may be
   * something else than a URL where `jwksUri` is given.
   */
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
  /** Told what happened; never given key material. What it throws is ignored: watching must not change a decision. */
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

const maxBytes = 256 * 1024
const retryMs = { first: 1000, last: 30_000 }
/** Clocks are put right by less all the time. */
const setBackMs = 60_000

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
  #askedAtMs = Number.NEGATIVE_INFINITY
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
    if (nowMs < this.#askedAtMs - setBackMs) this.#setBack(nowMs)
    const table = this.#table
    if (table === undefined || nowMs >= this.#expiresAtMs + this.#staleMs) return 'fetch'
    // Expired keys are used only while the endpoint is known to fail.
    if (nowMs >= this.#expiresAtMs && this.#failure === undefined) return 'fetch'
    if (nowMs >= this.#refreshAtMs || this.#failure !== undefined) this.#refreshInBackground(nowMs)
    const found = table.find(keyId, algorithm)
    // A kid that nothing has may be a new key's, also beside keys without a name that it could have meant.
    const isNew = found === 'unknown' || (found === 'mismatch' && keyId !== undefined && !table.has(keyId))
    if (!isNew) return found
    // A new key, or a made-up one? One fetch tells, and everyone who asks meanwhile waits for the same.
    if (this.#flight !== undefined || this.#failure !== undefined) return 'fetch'
    return nowMs < this.#unknownAfterMs ? 'unknown' : 'fetch'
  }

  load(nowMs: number): Promise<void> {
    if (nowMs < this.#askedAtMs - setBackMs) this.#setBack(nowMs)
    if (this.#flight !== undefined) return this.#flight
    if (this.#failure !== undefined && nowMs < this.#retryAtMs)
      return Promise.reject(this.#unavailable(nowMs))
    // With young keys at hand it is for a `kid` that is not among them; the next such fetch has to wait.
    if (nowMs < this.#refreshAtMs) this.#unknownAfterMs = nowMs + this.#cooldownMs
    return this.#takeOff(nowMs)
  }

  /** The clock has been set back: whatever was to come may be far away now, and a removed key would live until then. */
  #setBack(nowMs: number): void {
    this.#expiresAtMs -= this.#askedAtMs - nowMs
    this.#askedAtMs = nowMs
    this.#refreshAtMs = 0
    this.#retryAtMs = 0
    this.#unknownAfterMs = 0
    this.checkAfterMs = 0
  }

  refresh(): Promise<void> {
    return this.#flight ?? this.#takeOff(this.#clock())
  }

  #takeOff(nowMs: number): Promise<void> {
    this.#flight = this.#fetch(nowMs).finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  #refreshInBackground(nowMs: number): void {
    // Ask again in a second whether it has worked; #fetch sets the time anew when it ends.
    const usableUntilMs = this.#expiresAtMs + (this.#failure === undefined ? 0 : this.#staleMs)
    this.checkAfterMs = Math.min(nowMs + retryMs.first, usableUntilMs)
    if (this.#flight !== undefined || nowMs < this.#retryAtMs) return
    this.#takeOff(nowMs).catch(() => {
      // Kept in #failure and told through onEvent; the keys at hand go on serving.
    })
  }

  async #fetch(nowMs: number): Promise<void> {
    this.#askedAtMs = nowMs
    try {
      // Loaded here, since node:http and node:https take longer to load than all the rest of a verifier.
      const { fetchKeys } = await import('./fetch-keys.ts')
      const fetched = await fetchKeys(this.#options, this.#limits, this.#jwksUri, this.#table && this.#etag)
      this.#jwksUri = fetched.jwksUri
      const changes = fetched.keys === undefined ? noChanges : this.#accept(fetched.keys)
      this.#etag = fetched.etag ?? (fetched.keys === undefined ? this.#etag : undefined)
      const { ttlMs } = fetched
      this.#failure = undefined
      this.#failures = 0
      this.#retryAtMs = 0
      this.#askedAtMs = nowMs
      this.#refreshAtMs = nowMs + ttlMs * 0.8
      this.#expiresAtMs = nowMs + ttlMs
      this.checkAfterMs = this.#refreshAtMs
      this.#tell({ kind: 'refreshed', issuer: this.issuer, ...changes })
    } catch (cause) {
      throw this.#failed(cause, nowMs)
    }
  }

  #accept(read: readonly VerificationKey[]): { readonly added: number; readonly removed: number } {
    const before = this.#table?.keys ?? []
    const keys = keepSame(before, read)
    const removed = before.filter((key) => !keys.includes(key)).length
    const added = keys.filter((key) => !before.includes(key)).length
    if (this.#table === undefined || added + removed > 0) {
      this.#table = new KeyTable(keys, this.#jwksUri!)
      this.generation++
    }
    return { added, removed }
  }

  #failed(cause: unknown, nowMs: number): Problem {
    const problem = isProblem(cause) ? cause : new Problem('fetch-failed', 'unexpected failure', { cause })
    this.#failures++
    this.#askedAtMs = nowMs
    this.#retryAtMs = nowMs + Math.min(retryMs.first * 2 ** (this.#failures - 1), retryMs.last)
    this.#failure = problem
    // The place of the keys may have moved: look it up again next time. An ETag means nothing elsewhere.
    this.#jwksUri = undefined
    this.#etag = undefined
    const stale = this.#table !== undefined && nowMs < this.#expiresAtMs + this.#staleMs
    if (stale) this.checkAfterMs = Math.min(this.#retryAtMs, this.#expiresAtMs + this.#staleMs)
    this.#tell({ kind: 'failed', issuer: this.issuer, problem, stale })
    return this.#unavailable(nowMs)
  }

  #tell(event: RemoteKeySetEvent): void {
    try {
      this.#options.onEvent?.(event)
    } catch {
      // Whoever watches has a fault of its own; the keys are as good as before.
    }
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

function checkOptions(options: RemoteKeySetOptions): void {
  const { issuer, jwksUri, algorithms, clock } = options
  if (typeof issuer !== 'string' || issuer === '') throw invalid('issuer must be a string, exactly as in iss')
  if (typeof (jwksUri ?? '') !== 'string' || !URL.canParse(jwksUri ?? issuer)) {
    throw invalid(
      jwksUri === undefined ? 'issuer must be a URL, or jwksUri be given' : 'jwksUri must be a URL',
    )
  }
  if (algorithms !== undefined && !(Array.isArray(algorithms) && algorithms.every(isAlgorithm))) {
    throw invalid('algorithms must be a list of known algorithms')
  }
  if (clock !== undefined && typeof clock !== 'function') throw invalid('clock must be a function')
  for (const [name, least] of Object.entries(durations)) {
    const value = options[name as keyof typeof durations]
    if (value !== undefined && !(Number.isFinite(value) && value >= least && value <= longest)) {
      throw invalid(`${name} must be a number, ${least} to ${longest}`)
    }
  }
  if (!Number.isInteger(options.timeoutMs ?? 1)) throw invalid('timeoutMs must be a whole number')
}

function invalid(message: string): Problem {
  return new Problem('option-invalid', `createRemoteKeySet: ${message}`)
}

const noChanges = { added: 0, removed: 0 } as const

// What a timer can wait, in milliseconds; more than any of these ever needs.
const longest = 2 ** 31 - 1

/** The least value of each: keys that expire as they arrive would verify nothing. */
const durations = {
  defaultTtlSeconds: 0,
  maxTtlSeconds: 1,
  staleIfErrorSeconds: 0,
  cooldownSeconds: 0,
  timeoutMs: 1,
} as const

const optionNames = [
  'issuer',
  'jwksUri',
  'algorithms',
  'allowPrivateAddresses',
  'dangerouslyAllowHttp',
  'clock',
  'onEvent',
  ...Object.keys(durations),
]
