import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import type { TokenSource } from './token-source.ts'
import { hasSecondTry, SecondTry } from './undici-second-try.ts'
import { unlessAborted } from './unless-aborted.ts'

/** What a dispatcher of undici is asked, as far as it is looked at here. */
export type UndiciRequest = {
  readonly origin?: string | URL | undefined
  readonly path: string
  readonly method: string
  readonly headers?: unknown
  readonly body?: unknown
  readonly upgrade?: unknown
  /** As `request` and its like are given it. */
  readonly signal?: unknown
}

/** An interceptor, for `dispatcher.compose(…)`. */
export type UndiciInterceptor = <Asked extends UndiciRequest, Handler extends object>(
  dispatch: (asked: Asked, handler: Handler) => boolean,
) => (asked: Asked, handler: Handler) => boolean

/**
 * An interceptor of undici that puts a token on each request to one origin, in place of any `Authorization`; requests to
 * other origins, such as where a redirect leads, pass as they are. For undici's own dispatchers and for those in Node.
 *
 * After a 401 that says `invalid_token`, or that asks for another nonce, a request without a body or with one that can be
 * sent again (text or bytes) is sent once more. undici 6 and older send it once.
 *
 * @param options.origin the service that the tokens are for.
 * @throws Problem `option-invalid`, `option-unknown`. (In a request) what the source throws, as the request's error; and
 *   the reason of its signal, at once, also while a token is waited for.
 * @example
 * const agent = new Agent().compose(undiciInterceptor(billing, { origin: 'https://billing.acme.example' }))
 * await request('https://billing.acme.example/invoices/7', { dispatcher: agent })
 */
export function undiciInterceptor(
  source: Pick<TokenSource, 'headersFor'> & Partial<Pick<TokenSource, 'headersAgain'>>,
  options: { readonly origin: string },
): UndiciInterceptor {
  refuseUnknownOptions('undiciInterceptor', options, ['origin'])
  const { origin } = options
  if (URL.parse(origin)?.origin !== origin) {
    throw new Problem(
      'option-invalid',
      'undiciInterceptor: origin: expected one such as https://billing.acme.example',
      {
        next: 'scheme, host and perhaps a port, with no slash behind',
      },
    )
  }
  return (dispatch) => (asked, handler) => {
    if (originOf(asked) !== origin) return dispatch(asked, handler)
    const { method } = asked
    const url = origin + asked.path
    // undici itself looks at the signal once a request has a connection, which here is after the token.
    const signal = asked.signal instanceof AbortSignal ? asked.signal : undefined
    const send = (headers: Readonly<Record<string, string>>, to: typeof handler): void => {
      if (signal?.aborted === true) fail(handler, signal.reason)
      else dispatch({ ...asked, headers: withHeaders(asked.headers, headers) }, to)
    }
    unlessAborted(() => source.headersFor(method, url), signal)
      .then((headers) => {
        if (source.headersAgain === undefined || !hasSecondTry(asked, handler)) return send(headers, handler)
        const again = (status: number, answer: Headers) =>
          unlessAborted(
            // Without another token the answer is the one that there is.
            () =>
              source.headersAgain!(method, url, headers, { status, headers: answer }).catch(() => undefined),
            signal,
          )
        const second = new SecondTry(handler, again, (renewed) => send(renewed, handler))
        send(headers, second as object as typeof handler)
      })
      .catch((error: unknown) => fail(handler, error))
    // It was taken on: whether the connection is full is only known later.
    return true
  }
}

function originOf({ origin }: UndiciRequest): string | undefined {
  return origin === undefined ? undefined : URL.parse(String(origin))?.origin
}

/** undici takes a flat list of names and values, an object, or pairs. */
function withHeaders(given: unknown, ours: Readonly<Record<string, string>>): string[] {
  const replaced = Object.keys(ours).map((name) => name.toLowerCase())
  const kept = pairsOf(given).filter(([name]) => !replaced.includes(name.toLowerCase()))
  return [...kept, ...Object.entries(ours)].flat()
}

function pairsOf(given: unknown): [string, string][] {
  if (given === undefined || given === null) return []
  if (Array.isArray(given) && !Array.isArray(given[0])) {
    return given.flatMap((value, at) =>
      at % 2 === 0 ? [[String(value), String(given[at + 1])] as [string, string]] : [],
    )
  }
  const isIterable = Symbol.iterator in (given as object)
  const pairs = isIterable ? [...(given as Iterable<[string, unknown]>)] : Object.entries(given as object)
  return pairs.flatMap(([name, value]) =>
    (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(
      (one) => [name, String(one)] as [string, string],
    ),
  )
}

/** As undici tells a handler since version 7, and as it did before. */
function fail(handler: object, error: unknown): void {
  const told = handler as {
    onResponseError?(controller: null, error: unknown): void
    onError?(error: unknown): void
  }
  if (told.onResponseError !== undefined) told.onResponseError(null, error)
  else told.onError?.(error)
}
