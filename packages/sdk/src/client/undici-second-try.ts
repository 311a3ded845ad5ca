/** A handler as undici has them since version 7; everything else in it is passed on. */
export type UndiciHandler = {
  onRequestStart?(controller: UndiciController, context: unknown): void
  onRequestUpgrade?(
    controller: UndiciController,
    status: number,
    headers: UndiciHeaders,
    socket: unknown,
  ): void
  onResponseStarted?(): void
  onBodySent?(chunk: unknown): void
  onRequestSent?(): void
  onResponseStart?(
    controller: UndiciController,
    status: number,
    headers: UndiciHeaders,
    statusText?: string,
  ): void
  onResponseData?(controller: UndiciController, chunk: unknown): void
  onResponseEnd?(controller: UndiciController, trailers: unknown): void
  onResponseError?(controller: UndiciController | null, error: unknown): void
}

export type UndiciController = { pause(): void; resume(): void; abort(reason: unknown): void }

type UndiciHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

type Renewed = Readonly<Record<string, string>>

/** Whether a request can be sent a second time, and its handler be kept from hearing of the first. */
export function hasSecondTry(
  { body, upgrade }: { readonly body?: unknown; readonly upgrade?: unknown },
  handler: object,
): boolean {
  if (typeof (handler as UndiciHandler).onRequestStart !== 'function' || Boolean(upgrade)) return false
  // A stream is read once.
  if (body === undefined || body === null || typeof body === 'string') return true
  return body instanceof ArrayBuffer || ArrayBuffer.isView(body)
}

/**
 * Stands before a handler for one request: keeps a 401 back until it is known whether the request is sent once more, and
 * then either hands it on as it came or lets it go.
 */
export class SecondTry implements UndiciHandler {
  readonly #handler: UndiciHandler
  readonly #ask: (status: number, headers: Headers) => Promise<Renewed | undefined>
  readonly #send: (renewed: Renewed) => void
  #state: 'passing' | 'asking' | 'letting-go' = 'passing'
  #kept: unknown[] = []
  #ended: { readonly trailers: unknown } | undefined
  #renewed: Renewed | undefined

  /**
   * @param ask with what headers it is worth another try; throws when the request has been given up meanwhile.
   * @param send sends it, with the handler itself.
   */
  constructor(
    handler: object,
    ask: (status: number, headers: Headers) => Promise<Renewed | undefined>,
    send: (renewed: Renewed) => void,
  ) {
    this.#handler = handler
    this.#ask = ask
    this.#send = send
  }

  onRequestStart(controller: UndiciController, context: unknown): void {
    this.#handler.onRequestStart?.(controller, context)
  }

  onRequestUpgrade(
    controller: UndiciController,
    status: number,
    headers: UndiciHeaders,
    socket: unknown,
  ): void {
    this.#handler.onRequestUpgrade?.(controller, status, headers, socket)
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.()
  }

  onBodySent(chunk: unknown): void {
    this.#handler.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    this.#handler.onRequestSent?.()
  }

  onResponseStart(
    controller: UndiciController,
    status: number,
    headers: UndiciHeaders,
    statusText?: string,
  ): void {
    const asked = headersOf(headers)
    if (status !== 401) {
      // It may bring the next nonce.
      if (asked.has('dpop-nonce')) this.#ask(status, asked).catch(() => {})
      return this.#handler.onResponseStart?.(controller, status, headers, statusText)
    }
    this.#state = 'asking'
    controller.pause()
    this.#ask(status, asked).then(
      (renewed) => {
        if (this.#state !== 'asking') return
        try {
          if (renewed === undefined) this.#handOn(controller, status, headers, statusText)
          else this.#letGo(controller, renewed)
        } catch (error) {
          controller.abort(error)
        }
      },
      (error: unknown) => {
        if (this.#state !== 'asking') return
        controller.abort(error)
        // Of an answer that is over already there is nothing left to abort.
        if (this.#state === 'asking') this.onResponseError(controller, error)
      },
    )
  }

  onResponseData(controller: UndiciController, chunk: unknown): void {
    // An answer may be over while it is held back.
    if (this.#state === 'asking') this.#kept.push(chunk)
    else if (this.#state === 'passing') this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller: UndiciController, trailers: unknown): void {
    if (this.#state === 'asking') this.#ended = { trailers }
    else if (this.#state === 'letting-go') this.#send(this.#renewed!)
    else this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: UndiciController | null, error: unknown): void {
    this.#state = 'passing'
    this.#handler.onResponseError?.(controller, error)
  }

  #handOn(
    controller: UndiciController,
    status: number,
    headers: UndiciHeaders,
    statusText: string | undefined,
  ): void {
    this.#state = 'passing'
    this.#handler.onResponseStart?.(controller, status, headers, statusText)
    for (const chunk of this.#kept) this.#handler.onResponseData?.(controller, chunk)
    if (this.#ended === undefined) controller.resume()
    else this.#handler.onResponseEnd?.(controller, this.#ended.trailers)
  }

  #letGo(controller: UndiciController, renewed: Renewed): void {
    this.#state = 'letting-go'
    this.#renewed = renewed
    if (this.#ended !== undefined) this.#send(renewed)
    else controller.resume()
  }
}

function headersOf(given: UndiciHeaders): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(given)) {
    for (const one of value === undefined ? [] : [value].flat()) headers.append(name, one)
  }
  return headers
}
