import { checkSecretUrl } from './endpoint.ts'
import type { AccessToken, TokenSource } from './token-source.ts'

type Fetch = typeof globalThis.fetch

/**
 * Wraps the platform's fetch so that every request carries a token of the source; see `TokenSource.fetch`.
 *
 * @throws (when called) Problem `option-invalid` for a URL that a token must not be sent to, and what the source throws.
 */
export function createTokenFetch(
  source: Pick<TokenSource, 'token' | 'renewed'>,
  { fetch, allowInsecure }: { readonly fetch: Fetch; readonly allowInsecure: boolean },
): Fetch {
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    checkSecretUrl(url, 'fetch', allowInsecure, 'dangerouslyAllowInsecureServices')
    const token = await source.token()
    // Known before the first request, which may use the body up.
    const again = canSendAgain(input, init)
    const response = await fetch(input, withToken(input, init, token))
    if (response.status !== 401 || !again || !saysInvalidToken(response)) return response
    const other = await source.renewed(token)
    if (other === undefined) return response
    // An unread body would keep its connection.
    await response.body?.cancel()
    return fetch(input, withToken(input, init, other))
  }
}

/** The platform drops the header itself when a redirect leads to another origin. */
function withToken(
  input: Parameters<Fetch>[0],
  init: RequestInit | undefined,
  token: AccessToken,
): RequestInit {
  const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))
  headers.set('Authorization', `Bearer ${token.secret.revealText()}`)
  return { ...init, headers }
}

/** A stream is read once; keeping all that went through it would hold whole uploads in memory. */
function canSendAgain(input: Parameters<Fetch>[0], init: RequestInit | undefined): boolean {
  const body: unknown = init?.body ?? (input instanceof Request ? input.body : undefined)
  return (
    body === undefined ||
    body === null ||
    typeof body === 'string' ||
    body instanceof ArrayBuffer ||
    ArrayBuffer.isView(body) ||
    body instanceof Blob ||
    body instanceof FormData ||
    body instanceof URLSearchParams
  )
}

/** RFC 6750 §3.1. A 401 for any other reason is not cured by another token. */
function saysInvalidToken(response: Response): boolean {
  const challenge = response.headers.get('www-authenticate') ?? ''
  return challenge.includes('error="invalid_token"') || challenge.includes('error=invalid_token')
}
