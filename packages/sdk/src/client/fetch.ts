import { checkSecretUrl } from './endpoint.ts'
import type { Proof, Prover } from './prover.ts'
import type { AccessToken, TokenSource } from './token-source.ts'
import { unlessAborted } from './unless-aborted.ts'

type Fetch = typeof globalThis.fetch

/**
 * Wraps the platform's fetch so that every request carries a token of the source; see `TokenSource.fetch`.
 *
 * @param options.prover makes a proof for each request, where the tokens are bound to its key.
 * @throws (when called) Problem `option-invalid` for a URL that a token must not be sent to, what the source throws, and at
 *   once the reason of the caller's signal, also while a token is waited for; that request is then never sent.
 */
export function createTokenFetch(
  source: Pick<TokenSource, 'token' | 'renewed'>,
  options: { readonly fetch: Fetch; readonly allowInsecure: boolean; readonly prover?: Prover | undefined },
): Fetch {
  const { fetch, allowInsecure, prover } = options
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    checkSecretUrl(url, 'fetch', allowInsecure, 'dangerouslyAllowInsecureServices')
    const signal = signalOf(input, init)
    const token = await unlessAborted(() => source.token(), signal).catch((error: unknown) => {
      if (signal?.aborted === true) letGo(input, init, error)
      throw error
    })
    // Known before the first request, which may use the body up.
    const again = canSendAgain(input, init)
    let [response, isNewNonce] = await send(token).catch((error: unknown) => {
      if (signal?.aborted === true) letGo(input, init, error)
      throw error
    })
    if (again && isNewNonce && asksForNonce(response)) {
      await drop(response)
      ;[response] = await send(token)
    }
    if (response.status !== 401 || !again || !saysInvalidToken(response)) return response
    const other = await unlessAborted(() => source.renewed(token), signal)
    if (other === undefined) return response
    await drop(response)
    return (await send(other))[0]

    async function send(sent: AccessToken): Promise<[response: Response, isNewNonce: boolean]> {
      // Whatever fetch was given: a request that was given up is not sent.
      signal?.throwIfAborted()
      const text = sent.secret.revealText()
      const proof = prover?.proofFor(methodOf(input, init), url, text)
      const answer = await fetch(input, withToken(input, init, text, proof))
      return [answer, proof !== undefined && prover!.learn(url, answer.headers, proof)]
    }
  }
}

/**
 * The platform drops `Authorization` itself when a redirect leads to another origin, and no other header: a transaction
 * token would go along. A proof is for one URL. So a request with either does not follow a redirect at all: the caller
 * gets the answer that says where to.
 */
function withToken(
  input: Parameters<Fetch>[0],
  init: RequestInit | undefined,
  text: string,
  proof: Proof | undefined,
): RequestInit {
  const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))
  headers.set('Authorization', `${proof === undefined ? 'Bearer' : 'DPoP'} ${text}`)
  if (proof !== undefined) headers.set('DPoP', proof.header)
  else if (!headers.has('Txn-Token')) return { ...init, headers }
  const redirect = init?.redirect ?? (input instanceof Request ? input.redirect : undefined)
  return { ...init, headers, redirect: redirect === 'error' ? 'error' : 'manual' }
}

/** A signal in the second argument, also none by null, is in place of the request's own. */
function signalOf(
  input: Parameters<Fetch>[0],
  init: RequestInit | undefined,
): AbortSignal | null | undefined {
  if (init?.signal !== undefined) return init.signal
  return input instanceof Request ? input.signal : undefined
}

/** As fetch does with the body of a request that is given up: whatever feeds it may hold a file open. */
function letGo(input: Parameters<Fetch>[0], init: RequestInit | undefined, reason: unknown): void {
  const body: unknown = init?.body ?? (input instanceof Request ? input.body : undefined)
  if (body instanceof ReadableStream && !body.locked) body.cancel(reason).catch(() => {})
}

/** An unread body would keep its connection; one that has broken off has let go of it. */
async function drop(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {})
}

/** The method as fetch sends it: these few in upper case, every other as it is written. */
function methodOf(input: Parameters<Fetch>[0], init: RequestInit | undefined): string {
  const method = init?.method ?? (input instanceof Request ? input.method : 'GET')
  const upper = method.toUpperCase()
  return normalised.includes(upper) ? upper : method
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
  return saysError(response.headers, 'invalid_token')
}

/** RFC 9449 §9 */
function asksForNonce(response: Response): boolean {
  return response.status === 401 && saysError(response.headers, 'use_dpop_nonce')
}

/** Whether a challenge has this error code. */
export function saysError(headers: Headers, error: string): boolean {
  const challenge = headers.get('www-authenticate') ?? ''
  return challenge.includes(`error="${error}"`) || challenge.includes(`error=${error}`)
}

/** https://fetch.spec.whatwg.org/#concept-method-normalize */
const normalised = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT']
