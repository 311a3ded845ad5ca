import { fetchMetadata } from '../core/metadata.ts'
import { isProblem, Problem } from '../core/problem.ts'
import { safeGetJson } from '../core/safe-get.ts'
import type { SafeGetLimits } from '../core/safe-get.ts'
import { isLoopbackHost } from '../core/loopback.ts'
import { chooseMethod } from './authenticate.ts'
import type { ShownBy } from './authenticate.ts'
import { readText } from './read-text.ts'
import { readRetryAfter } from './retry-after.ts'

/** Where tokens are asked for, and how the client shows there who it is. */
export type TokenEndpoint = { readonly url: string; readonly method: ShownBy }

/**
 * Finds an issuer's token endpoint by its metadata (OpenID Connect Discovery §4, RFC 8414 §3). The metadata must name
 * the very issuer that was asked for (§3.3), or the secret would go wherever somebody else's document says.
 *
 * @param options.method instead of choosing one of those the issuer publishes.
 * @param options.fetch whoever brings one may have no other way to the issuer: its authorities, a certificate, a proxy.
 * @param options.nowMs when it is, for a `Retry-After` that is a date; milliseconds since the epoch.
 * @throws Problem `fetch-failed` (with what `Retry-After` says), `fetch-refused`, or `option-invalid` when the metadata names an endpoint that a
 *   secret must not be sent to.
 */
export async function discoverTokenEndpoint(
  issuer: string,
  options: {
    readonly timeoutMs: number
    readonly allowInsecure: boolean
    readonly method: ShownBy | undefined
    readonly fetch?: typeof globalThis.fetch
    readonly nowMs: number
  },
): Promise<TokenEndpoint> {
  const limits: SafeGetLimits = {
    timeoutMs: options.timeoutMs,
    maxBytes: maxMetadataBytes,
    // Unlike a key set's, this issuer was chosen by whoever runs the client, and inside a cluster it is private.
    allowPrivateAddresses: true,
    allowLoopback: isLoopbackHost(new URL(issuer).hostname),
    dangerouslyAllowHttp: options.allowInsecure,
  }
  const { fetch, nowMs } = options
  const metadata = await fetchMetadata(issuer, limits, async (url) => {
    const answer: MetadataAnswer =
      fetch === undefined ? await safeGetJson(url, limits) : await getBy(fetch, url, limits)
    const { status, retryAfter } = answer
    if (status === 200 || status === 404) return answer
    const retryAfterSeconds = readRetryAfter(retryAfter, nowMs)
    if (retryAfterSeconds === undefined) return answer
    throw new Problem('fetch-failed', `${url}: answered ${status}`, { retryAfterSeconds })
  })
  const url =
    (options.method === 'tls_client_auth' ? aliasIn(metadata) : undefined) ?? metadata['token_endpoint']
  if (typeof url !== 'string') {
    throw new Problem('fetch-failed', `${issuer}: its metadata names no token_endpoint`, {
      next: 'give tokenEndpoint instead of issuer',
    })
  }
  checkSecretUrl(url, 'token_endpoint', options.allowInsecure, 'dangerouslyAllowInsecureIssuer')
  const method = options.method ?? chooseMethod(metadata['token_endpoint_auth_methods_supported'])
  return Object.freeze({ url, method })
}

type MetadataAnswer = {
  readonly status: number
  readonly document: unknown
  readonly retryAfter?: string | null | undefined
}

/** Redirects are not followed, and an answer is bounded, as by our own. */
async function getBy(
  fetch: typeof globalThis.fetch,
  url: string,
  { timeoutMs, maxBytes }: SafeGetLimits,
): Promise<MetadataAnswer> {
  try {
    const response = await fetch(url, {
      headers: { Accept: 'application/json' },
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    const text = await readText(response, maxBytes)
    if (text === undefined)
      throw new Problem('fetch-failed', `${url}: the answer is longer than ${maxBytes} bytes`)
    const { status, headers } = response
    const document: unknown = status === 200 ? JSON.parse(text) : undefined
    return { status, document, retryAfter: headers.get('retry-after') }
  } catch (error) {
    if (isProblem(error)) throw error
    throw new Problem('fetch-failed', `${url}: cannot be reached, or its answer is not JSON`, {
      next: 'check that it can be reached by the fetch that was given',
    })
  }
}

/** Where clients with certificates are asked for them, when that is elsewhere (RFC 8705 §5). */
function aliasIn(metadata: Readonly<Record<string, unknown>>): unknown {
  const aliases = metadata['mtls_endpoint_aliases']
  return typeof aliases === 'object' && aliases !== null && Object.hasOwn(aliases, 'token_endpoint')
    ? (aliases as Record<string, unknown>)['token_endpoint']
    : undefined
}

/**
 * Refuses a URL that a secret or a token must not be sent to: anything but https:, or http: on this very machine.
 *
 * @param danger the option that lets plain http: through all the same.
 * @throws Problem `option-invalid`; the URL itself is not repeated when there are credentials in it.
 */
export function checkSecretUrl(url: string, what: string, allowInsecure: boolean, danger: string): void {
  const parsed = URL.parse(url)
  if (parsed === null) throw new Problem('option-invalid', `${what}: expected a URL`)
  if (parsed.username !== '' || parsed.password !== '') {
    throw new Problem('option-invalid', `${what}: a URL with credentials in it`, {
      next: 'take them out: URLs end up in logs',
    })
  }
  if (parsed.protocol === 'https:') return
  if (parsed.protocol === 'http:' && (allowInsecure || isLoopbackHost(parsed.hostname))) return
  throw new Problem('option-invalid', `${what}: ${parsed.origin} is not https:`, {
    next: `use https:, or ${danger} where the network is trusted`,
  })
}

const maxMetadataBytes = 256 * 1024
