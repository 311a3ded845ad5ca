import {
  createKeySet,
  createRemoteKeySet,
  createRevocationFeed,
  createRevocations,
  readSecretKey,
} from '@countersign/sdk/jwt'
import type {
  KeySet,
  RemoteKeySet,
  RemoteKeySetEvent,
  RevocationEvent,
  Revocations,
  TrustedIssuerOptions,
} from '@countersign/sdk/jwt'
import type { Clock } from '@countersign/sdk/core'
import type { Log } from '../../log.ts'
import type { Service, Trust, TrustedIssuer } from '../../trust/trust.ts'

/** By issuer, in seconds. */
type Ages = readonly (readonly [issuer: string, seconds: number])[]

/** Our own issuer when it runs in this process: its keys are at hand. */
export type OwnIssuer = {
  readonly issuer: string
  readonly keySet: KeySet
  /** What it has revoked, for who does without news of it that long at most. */
  readonly revocationsFor?: (staleAfterSeconds: number | undefined) => Revocations
}

/**
 * The key sets of all issuers in a trust file, one each however many services accept it. A key set belongs to its
 * issuer: keys of one never verify a token that names another.
 */
export class KeySets {
  readonly #clock: Clock
  readonly #log: Log
  readonly #pace: { readonly everySeconds?: number }
  readonly #byMeaning = new Map<string, RemoteKeySet>()
  /** Ours, when it has to be fetched. */
  #own: RemoteKeySet | undefined
  /** When each issuer's keys last came, milliseconds since the epoch. */
  readonly #fetchedAtMs = new Map<string, number>()
  /** When the lists of what is revoked last came. */
  readonly #revocationsAtMs = new Map<string, number>()
  /** What our issuer has revoked, when that has to be fetched. */
  readonly #revocations = new Map<string, Revocations>()

  /** @param revocationsEverySeconds how often to look at what our issuer has revoked; the feed's own pace unless given */
  constructor(clock: Clock, log: Log, revocationsEverySeconds?: number) {
    this.#clock = clock
    this.#log = log
    this.#pace = revocationsEverySeconds === undefined ? {} : { everySeconds: revocationsEverySeconds }
  }

  /** What a service's verifier expects of each issuer whose tokens the service accepts. */
  issuersOf(service: Service, trust: Trust, ownIssuer: OwnIssuer | undefined): TrustedIssuerOptions[] {
    const issuers: TrustedIssuerOptions[] = []
    const own = service.acceptsOwn ? (ownIssuer ?? this.#ownByNetwork(trust)) : undefined
    if (own !== undefined) {
      const { issuer, keySet } = own
      const { transactions } = trust
      // Never both: a transaction token is no access token, by its type and its audience.
      if (service.transactions !== true) issuers.push({ issuer, audience: service.audience, keySet })
      else if (transactions !== undefined) {
        issuers.push({ issuer, audience: transactions.trustDomain, types: ['txntoken+jwt'], keySet })
      }
    }
    for (const name of service.accepts) {
      // The reader of the trust file has resolved every name.
      const trusted = trust.trusted.get(name)!
      const { issuer, audience, algorithms, type } = trusted
      issuers.push({ issuer, audience, algorithms, types: [type], keySet: this.#trustedKeySet(trusted) })
    }
    return issuers
  }

  /** What our own issuer has revoked, for all services whose callers may have its tokens. */
  revocationsOf(service: Service, trust: Trust, ownIssuer: OwnIssuer | undefined): Revocations | undefined {
    if (!service.acceptsOwn) return undefined
    const staleAfterSeconds = trust.gateway?.revocationsStaleAfterSeconds
    if (ownIssuer !== undefined) return ownIssuer.revocationsFor?.(staleAfterSeconds)
    const own = this.#ownByNetwork(trust)
    if (own === undefined) return undefined
    const meaning = `${own.issuer} ${staleAfterSeconds}`
    const known = this.#revocations.get(meaning)
    if (known !== undefined) return known
    const feed = createRevocationFeed({
      issuer: own.issuer,
      keySet: own.keySet,
      allowPrivateAddresses: true,
      onEvent: (event) => this.#tellRevocations(event),
      ...this.#pace,
      ...(staleAfterSeconds === undefined ? {} : { staleAfterSeconds }),
    })
    const revocations = createRevocations({ sources: [feed] })
    this.#revocations.set(meaning, revocations)
    return revocations
  }

  /**
   * Whether there are keys to decide with: those of our own issuer, or where there is none, those of any other. Not
   * those of all: what a partner's outage means for its callers is no reason to send nobody to us.
   *
   * While there are none they are asked for, since whoever is not ready gets no requests that would.
   */
  ready(): boolean {
    const needed = this.#own === undefined ? [...this.#byMeaning.values()] : [this.#own]
    if (needed.length === 0 || needed.some(({ issuer }) => this.#fetchedAtMs.has(issuer))) return true
    for (const keySet of needed) keySet.load(this.#clock()).catch(() => undefined)
    return false
  }

  /** How old the keys of each issuer are that has been asked for some, in seconds; for metrics. */
  ages(): Ages {
    return this.#since(this.#fetchedAtMs)
  }

  /** The same of the lists of what is revoked. */
  revocationAges(): Ages {
    return this.#since(this.#revocationsAtMs)
  }

  #since(times: ReadonlyMap<string, number>): Ages {
    const nowMs = this.#clock()
    return [...times].map(([source, atMs]) => [source, Math.max(0, nowMs - atMs) / 1000])
  }

  #ownByNetwork(trust: Trust): OwnIssuer | undefined {
    if (trust.issuer === undefined) return undefined
    const { url } = trust.issuer
    const keySet = this.#once(`own ${url}`, () =>
      // Ours, by our own file: it may well be inside our network.
      createRemoteKeySet({ issuer: url, allowPrivateAddresses: true, ...this.#shared() }),
    )
    this.#own = keySet
    return { issuer: url, keySet }
  }

  #trustedKeySet({ issuer, algorithms, keys }: TrustedIssuer): KeySet {
    switch (keys.kind) {
      case 'discovery':
        return this.#once(`discovery ${issuer} ${algorithms.join()}`, () =>
          createRemoteKeySet({ issuer, algorithms, ...this.#shared() }),
        )
      case 'jwks':
        return this.#once(`jwks ${issuer} ${keys.url} ${algorithms.join()}`, () =>
          createRemoteKeySet({ issuer, jwksUri: keys.url, algorithms, ...this.#shared() }),
        )
      case 'secret':
        return createKeySet(
          algorithms.map((algorithm) =>
            readSecretKey(keys.secret, { algorithm, dangerouslyAllowShortSecret: keys.dangerouslyShort }),
          ),
        )
    }
  }

  #once(meaning: string, create: () => RemoteKeySet): RemoteKeySet {
    const known = this.#byMeaning.get(meaning)
    if (known !== undefined) return known
    const keySet = create()
    this.#byMeaning.set(meaning, keySet)
    return keySet
  }

  #shared(): { readonly clock: Clock; readonly onEvent: (event: RemoteKeySetEvent) => void } {
    return { clock: this.#clock, onEvent: (event) => this.#tell(event) }
  }

  #tellRevocations(event: RevocationEvent): void {
    if (event.kind !== 'failed') {
      this.#revocationsAtMs.set(event.source, this.#clock())
      return
    }
    const { source, problem, refusing } = event
    this.#log.warn('revocations not refreshed', {
      issuer: source,
      problem: problem.message,
      stillServing: !refusing,
    })
  }

  #tell(event: RemoteKeySetEvent): void {
    if (event.kind !== 'failed') this.#fetchedAtMs.set(event.issuer, this.#clock())
    if (event.kind === 'failed') {
      const { issuer, problem, stale } = event
      this.#log.warn('keys not refreshed', { issuer, problem: problem.message, stillServing: stale })
    } else if (event.added + event.removed > 0) {
      this.#log.info('keys refreshed', { issuer: event.issuer, added: event.added, removed: event.removed })
    }
  }
}
