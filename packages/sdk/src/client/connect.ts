import type { TokenSource } from './token-source.ts'
import { unlessAborted } from './unless-aborted.ts'

/** What a request of a Connect client has that a token needs. */
export type ConnectClientRequest = {
  readonly url: string
  readonly requestMethod: string
  readonly header: Headers
  /** Whether messages are still to come. */
  readonly stream?: boolean
  /** Ends when the call is given up, or its time is over. */
  readonly signal?: AbortSignal
}

/** An interceptor of Connect's clients, for calls and streams. */
export type ConnectClientInterceptor = <Asked extends ConnectClientRequest, Answer>(
  next: (request: Asked) => Promise<Answer>,
) => (request: Asked) => Promise<Answer>

/**
 * An interceptor for a transport of Connect: each call carries a token, in place of any `Authorization`. A call of one
 * message is made once more when the service says that the token is good no longer, or asks for another nonce.
 *
 * @throws (in a call) what the source throws, such as Problem `option-invalid` for plain http: to another machine.
 * @example
 * const transport = createConnectTransport({ baseUrl, httpVersion: '2', interceptors: [connectInterceptor(billing)] })
 */
export function connectInterceptor(
  source: Pick<TokenSource, 'headersFor'> & Partial<Pick<TokenSource, 'headersAgain'>>,
): ConnectClientInterceptor {
  return (next) => async (request) => {
    const { requestMethod: method, url, signal } = request
    const headers = await unlessAborted(() => source.headersFor(method, url), signal)
    carry(request, headers)
    try {
      return await next(request)
    } catch (error) {
      const { code, metadata } = error as { readonly code?: unknown; readonly metadata?: unknown }
      if (request.stream === true || code !== unauthenticated || !(metadata instanceof Headers)) throw error
      const answer = { status: 401, headers: metadata }
      const again = await unlessAborted(
        async () => source.headersAgain?.(method, url, headers, answer),
        signal,
      )
      if (again === undefined) throw error
      carry(request, again)
      return next(request)
    }
  }
}

function carry({ header }: ConnectClientRequest, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) header.set(name, value)
}

const unauthenticated = 16
