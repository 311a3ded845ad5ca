import type { KeySet } from './key-set.ts'
import { isLoopbackHost } from '../core/loopback.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import type { SafeGetLimits } from '../core/safe-get.ts'
import { maxRevocationListLength, verifyRevocationList } from './revocation-list.ts'
import type { RevocationList } from './revocation-list.ts'
import type { RevocationSource } from './revocation-source.ts'
import type { Revocation } from './revocations.ts'

/** Options of {@link createRevocationFeed}. */
export type RevocationFeedOptions = Pick<
  RevocationSource,
  'everySeconds' | 'staleAfterSeconds' | 'onEvent'
> & {
  /** The exact `iss` whose tokens it is about; where discovery starts. */
  readonly issuer: string
  /** The issuer's keys, by which the list is verified: the key set of the verifier. */
  readonly keySet: KeySet
  /** The feed's URL; `revocations_uri` of the issuer's metadata unless given. */
  readonly url?: string
  /** For one whole fetch, milliseconds; 5000 unless given. */
  readonly timeoutMs?: number
  /** Lets the issuer's name resolve to a private address, as inside a cluster. */
  readonly allowPrivateAddresses?: boolean
  /** Fetches over plain `http:` from other machines. The list is signed, but whoever sits on the network can withhold it. */
  readonly dangerouslyAllowHttp?: boolean
}

/**
 * Follows what a Countersign issuer publishes as revoked: a small signed list, asked for again every few seconds while
 * tokens are being checked, and answered with 304 as long as nothing has changed.
 *
 * A list is taken when a key of the issuer has signed it, it is about this issuer and of now, and its sequence is not
 * lower than that of the last one. What was once revoked stays so until its tokens have expired, whatever a later list
 * says. Making one fetches nothing, so that a service starts while its issuer is down.
 *
 * @throws Problem `option-invalid` or `option-unknown`.
 * @example
 * const revocations = createRevocations({ sources: [createRevocationFeed({ issuer, keySet, staleAfterSeconds: 300 })] })
 * const verifier = createVerifier({ issuer, audience, keySet, revocations })
 */
export function createRevocationFeed(options: RevocationFeedOptions): RevocationSource {
  refuseUnknownOptions('createRevocationFeed', options, optionNames)
  checkOptions(options)
  const { issuer, everySeconds, staleAfterSeconds, onEvent } = options
  const feed = new Feed(options)
  return {
    name: issuer,
    read: (nowMs) => feed.read(nowMs),
    ...(everySeconds === undefined ? {} : { everySeconds }),
    ...(staleAfterSeconds === undefined ? {} : { staleAfterSeconds }),
    ...(onEvent === undefined ? {} : { onEvent }),
  }
}

class Feed {
  readonly #options: RevocationFeedOptions
  readonly #limits: SafeGetLimits
  #url: string | undefined
  #etag: string | undefined
  #list: RevocationList | undefined
  #refusedKeyIds: ReadonlySet<string> = new Set()

  constructor(options: RevocationFeedOptions) {
    this.#options = options
    this.#limits = {
      timeoutMs: options.timeoutMs ?? 5000,
      maxBytes: maxRevocationListLength,
      allowPrivateAddresses: options.allowPrivateAddresses === true,
      allowLoopback: isLoopbackHost(new URL(options.url ?? options.issuer).hostname),
      dangerouslyAllowHttp: options.dangerouslyAllowHttp === true,
    }
  }

  async read(nowMs: number): Promise<Iterable<Revocation> | undefined> {
    try {
      this.#url ??= this.#options.url ?? (await this.#discover())
      // Loaded here, since most services never follow a feed, and node:https takes long to load.
      const { safeGetJwt } = await import('../core/safe-get.ts')
      const reply = await safeGetJwt(this.#url, this.#limits, this.#etag)
      if (reply.status === 304 && this.#list !== undefined) return this.#unchanged(this.#list, nowMs)
      if (reply.status !== 200) throw new Problem('fetch-failed', `${this.#url}: answered ${reply.status}`)
      const revocations = await this.#accept(reply.document as string, nowMs)
      return this.#untilTaken(revocations, reply.etag)
    } catch (problem) {
      // It may have moved; and a copy that is refused must not be confirmed by its ETag.
      this.#url = undefined
      this.#etag = undefined
      throw problem
    }
  }

  /** Whoever has no room for all of it must not be told next time that nothing has changed. */
  *#untilTaken(revocations: readonly Revocation[], etag: string | undefined): Iterable<Revocation> {
    this.#etag = undefined
    yield* revocations
    this.#etag = etag
  }

  async #discover(): Promise<string> {
    const { issuer } = this.#options
    const { fetchMetadata } = await import('../core/metadata.ts')
    const metadata = await fetchMetadata(issuer, this.#limits)
    const url = metadata['revocations_uri']
    if (typeof url === 'string') return url
    throw new Problem('fetch-failed', `${issuer}: its metadata has no revocations_uri`, {
      next: 'follow the revocations of a Countersign issuer only',
    })
  }

  /** A 304 is not signed, so it says no more than the list itself: that it is good until its `exp`. */
  #unchanged(list: RevocationList, nowMs: number): undefined {
    if (list.expiresAtSeconds * 1000 > nowMs) return undefined
    throw new Problem('fetch-failed', `${this.#url!}: answered 304 for a list that has expired`)
  }

  async #accept(text: string, nowMs: number): Promise<readonly Revocation[]> {
    const { issuer, keySet } = this.#options
    const refusedKeyIds = this.#refusedKeyIds
    const list = await verifyRevocationList(text, { issuer, keySet, nowMs, refusedKeyIds })
    const known = this.#list?.sequence ?? 0
    if (list.sequence < known) {
      throw new Problem(
        'fetch-failed',
        `${issuer}: list ${list.sequence} is older than list ${known}, which is known`,
        {
          next: 'was the issuer’s store restored from a backup? revoking anything makes a newer list',
        },
      )
    }
    this.#list = { ...list, revocations: [] }
    this.#refusedKeyIds = new Set(list.revocations.flatMap((one) => ('keyId' in one ? [one.keyId] : [])))
    return list.revocations
  }
}

function checkOptions({ issuer, keySet, url, timeoutMs = 5000 }: RevocationFeedOptions): void {
  if (typeof issuer !== 'string' || issuer === '') throw invalid('issuer must be a string, exactly as in iss')
  if (typeof (url ?? '') !== 'string' || !URL.canParse(url ?? issuer)) {
    throw invalid(url === undefined ? 'issuer must be a URL, or url be given' : 'url must be a URL')
  }
  if (typeof (keySet as Partial<KeySet> | undefined)?.find !== 'function') {
    throw invalid('keySet must come from createKeySet or createRemoteKeySet')
  }
  if (!(Number.isInteger(timeoutMs) && timeoutMs > 0 && timeoutMs <= 9000)) {
    throw invalid('timeoutMs must be a whole number, 1 to 9000')
  }
}

function invalid(message: string): Problem {
  return new Problem('option-invalid', `createRevocationFeed: ${message}`)
}

const optionNames = [
  'issuer',
  'keySet',
  'url',
  'everySeconds',
  'staleAfterSeconds',
  'onEvent',
  'timeoutMs',
  'allowPrivateAddresses',
  'dangerouslyAllowHttp',
]
