import type { TokenSource } from './token-source.ts'

/** What a request of a Connect client has that a token needs. */
export type ConnectClientRequest = {
  readonly url: string
  readonly requestMethod: string
  readonly header: Headers
}

/** An interceptor of Connect's clients, for calls and streams. */
export type ConnectClientInterceptor = <Asked extends ConnectClientRequest, Answer>(
  next: (request: Asked) => Promise<Answer>,
) => (request: Asked) => Promise<Answer>

/**
 * An interceptor for a transport of Connect: each call carries a token, in place of any `Authorization`.
 *
 * @throws (in a call) what the source throws, such as Problem `option-invalid` for plain http: to another machine.
 * @example
 * const transport = createConnectTransport({ baseUrl, httpVersion: '2', interceptors: [connectInterceptor(billing)] })
 */
export function connectInterceptor(source: Pick<TokenSource, 'headersFor'>): ConnectClientInterceptor {
  return (next) => async (request) => {
    const headers = await source.headersFor(request.requestMethod, request.url)
    for (const [name, value] of Object.entries(headers)) request.header.set(name, value)
    return next(request)
  }
}
