import { createKeySet, createRemoteKeySet, readSecretKey } from '@countersign/sdk/jwt'
import type { KeySet, RemoteKeySetEvent, TrustedIssuerOptions } from '@countersign/sdk/jwt'
import type { Clock } from '@countersign/sdk/core'
import type { Log } from '../log.ts'
import type { Service, Trust, TrustedIssuer } from '../trust/trust.ts'

/** Our own issuer when it runs in this process: its keys are at hand. */
export type OwnIssuer = { readonly issuer: string; readonly keySet: KeySet }

/**
 * The key sets of all issuers in a trust file, one each however many services accept it. A key set belongs to its
 * issuer: keys of one never verify a token that names another.
 */
export class KeySets {
  readonly #clock: Clock
  readonly #log: Log
  readonly #byMeaning = new Map<string, KeySet>()

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** What a service's verifier expects of each issuer whose tokens the service accepts. */
  issuersOf(service: Service, trust: Trust, ownIssuer: OwnIssuer | undefined): TrustedIssuerOptions[] {
    const issuers: TrustedIssuerOptions[] = []
    const own = ownIssuer ?? this.#ownByNetwork(trust)
    if (service.acceptsOwn && own !== undefined) {
      issuers.push({ issuer: own.issuer, audience: service.audience, keySet: own.keySet })
    }
    for (const name of service.accepts) {
      // The reader of the trust file has resolved every name.
      const trusted = trust.trusted.get(name)!
      const { issuer, audience, algorithms, type } = trusted
      issuers.push({ issuer, audience, algorithms, types: [type], keySet: this.#trustedKeySet(trusted) })
    }
    return issuers
  }

  #ownByNetwork(trust: Trust): OwnIssuer | undefined {
    if (trust.issuer === undefined) return undefined
    const { url } = trust.issuer
    const keySet = this.#once(`own ${url}`, () =>
      // Ours, by our own file: it may well be inside our network.
      createRemoteKeySet({ issuer: url, allowPrivateAddresses: true, ...this.#shared() }),
    )
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

  #once(meaning: string, create: () => KeySet): KeySet {
    const known = this.#byMeaning.get(meaning)
    if (known !== undefined) return known
    const keySet = create()
    this.#byMeaning.set(meaning, keySet)
    return keySet
  }

  #shared(): { readonly clock: Clock; readonly onEvent: (event: RemoteKeySetEvent) => void } {
    return { clock: this.#clock, onEvent: (event) => this.#tell(event) }
  }

  #tell(event: RemoteKeySetEvent): void {
    if (event.kind === 'failed') {
      const { issuer, problem, stale } = event
      this.#log.warn('keys not refreshed', { issuer, problem: problem.message, stillServing: stale })
    } else if (event.added + event.removed > 0) {
      this.#log.info('keys refreshed', { issuer: event.issuer, added: event.added, removed: event.removed })
    }
  }
}
