import { createKeySet, createRemoteKeySet, readSecretKey } from '@countersign/sdk/jwt'
import type { KeySet, RemoteKeySetEvent } from '@countersign/sdk/jwt'
import type { Clock } from '@countersign/sdk/core'
import type { Log } from '../../log.ts'
import type { KeysAtUrl, TrustedIssuer } from '../../trust/trust.ts'

/** The public keys of others that the issuer verifies with: clients, platforms and trusted issuers. */
export type RemoteKeys = {
  /** @param owner whose keys these are: the `iss` of what they sign. */
  at(owner: string, keys: KeysAtUrl): KeySet
  ofTrusted(trusted: TrustedIssuer): KeySet
}

/**
 * Makes the key sets and keeps them by what they mean, so that a trust file that is read again neither fetches every
 * key anew nor loses the keys that carry it through an outage. A thousand of them: managed clients come and go. Whoever uses
 * one that is not kept any more goes on with it.
 *
 * @example
 * const remoteKeys = createRemoteKeys({ clock, log })
 * remoteKeys.at('orders', { url: 'https://orders.acme.example/jwks.json', algorithms: ['ES256'] })
 */
export function createRemoteKeys({ clock, log }: { readonly clock: Clock; readonly log: Log }): RemoteKeys {
  const byMeaning = new Map<string, KeySet>()

  const fetched = (owner: string, { url, algorithms }: KeysAtUrl, inside: boolean): KeySet => {
    const meaning = JSON.stringify([owner, url, algorithms, inside])
    const known = byMeaning.get(meaning)
    if (known !== undefined) {
      // Used last goes last.
      byMeaning.delete(meaning)
      byMeaning.set(meaning, known)
      return known
    }
    const keySet = createRemoteKeySet({
      issuer: owner,
      algorithms,
      clock,
      onEvent: (event) => tell(event, log),
      allowPrivateAddresses: inside,
      ...(url === undefined ? {} : { jwksUri: url }),
    })
    byMeaning.set(meaning, keySet)
    if (byMeaning.size > mostKept) byMeaning.delete(byMeaning.keys().next().value as string)
    return keySet
  }

  return {
    // Whoever wrote the trust file chose this URL, and the keys of clients and clusters are inside the network.
    at: (owner, keys) => fetched(owner, keys, true),
    ofTrusted({ issuer, algorithms, keys }) {
      if (keys.kind !== 'secret')
        return fetched(issuer, { url: keys.kind === 'jwks' ? keys.url : undefined, algorithms }, false)
      return createKeySet(
        algorithms.map((algorithm) =>
          readSecretKey(keys.secret, { algorithm, dangerouslyAllowShortSecret: keys.dangerouslyShort }),
        ),
      )
    },
  }
}

function tell(event: RemoteKeySetEvent, log: Log): void {
  if (event.kind === 'failed') {
    const { issuer, problem, stale } = event
    log.warn('keys.failed', { issuer, message: problem.message, stillServing: stale })
  } else if (event.added + event.removed > 0) {
    log.info('keys.refreshed', { issuer: event.issuer, added: event.added, removed: event.removed })
  }
}

const mostKept = 1000
