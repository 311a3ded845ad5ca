import { grpcCredentials } from './grpc.ts'
import type { GrpcClientModule } from './grpc.ts'
import type { TokenSource } from './token-source.ts'

/** What is needed of @grpc/grpc-js, which is not imported here: `import * as grpc from '@grpc/grpc-js'`. */
export type GrpcInterceptingModule = GrpcClientModule<unknown> & {
  readonly InterceptingCall: new (call: never, requester?: never) => object
}

/** An interceptor of grpc-js, for the option `interceptors` of a client or of one call. */
export type GrpcClientInterceptor<Grpc extends GrpcInterceptingModule> = (
  options: GrpcInterceptedCall,
  nextCall: (options: never) => ConstructorParameters<Grpc['InterceptingCall']>[0],
) => InstanceType<Grpc['InterceptingCall']>

/** What a call that is intercepted has that a token needs. */
export type GrpcInterceptedCall = {
  readonly method_definition: { readonly requestStream: boolean; readonly responseStream: boolean }
  readonly credentials?: { compose(other: never): unknown }
  readonly deadline?: Date | number
}

/**
 * An interceptor by which each call carries a token in its metadata, in place of {@link grpcCredentials}. A call of one
 * message each way is made once more when the service says that the token is good no longer, or asks for another nonce;
 * its deadline stays what it was.
 *
 * As with call credentials, nothing keeps the token from a channel without TLS: that is for this machine, and for meshes
 * that encrypt below.
 *
 * @example
 * const client = new InvoicesClient(address, grpc.credentials.createSsl(), { interceptors: [grpcInterceptor(billing, grpc)] })
 */
export function grpcInterceptor<Grpc extends GrpcInterceptingModule>(
  source: Pick<TokenSource, 'headersFor' | 'headersAgain'>,
  grpc: Grpc,
): GrpcClientInterceptor<Grpc> {
  const InterceptingCall = grpc.InterceptingCall as unknown as new (
    call: GrpcCall,
    requester?: Requester,
  ) => InstanceType<Grpc['InterceptingCall']>
  return (options, nextCall) => {
    /** What this very call was sent with. */
    let sent: { readonly url: string; readonly headers: Readonly<Record<string, string>> } | undefined
    const callWith = (headersFor: TokenSource['headersFor']): GrpcCall => {
      const own = grpcCredentials({ headersFor }, grpc) as never
      return nextCall({
        ...options,
        credentials: options.credentials?.compose(own) ?? own,
      } as never) as GrpcCall
    }
    const call = callWith(async (method, url) => {
      const headers = await source.headersFor(method, url)
      sent = { url, headers }
      return headers
    })
    const { requestStream, responseStream } = options.method_definition
    return requestStream || responseStream
      ? new InterceptingCall(call)
      : new InterceptingCall(call, secondTry())

    function secondTry(): Requester {
      let message: unknown
      let again: GrpcCall | undefined
      let giveUp: (() => void) | undefined
      return {
        start(metadata, listener, next) {
          let hasBegun = false
          let passMessage: ((message: unknown) => void) | undefined
          next(metadata, {
            onReceiveMetadata(received, pass) {
              hasBegun = true
              pass(received)
            },
            onReceiveMessage(received, pass) {
              // A call that ends without a message tells so by one that is none, before its status.
              if (received !== null) pass(received)
              else passMessage = pass
            },
            onReceiveStatus(status, pass) {
              const end = (last: GrpcStatus, received: unknown = null): void => {
                passMessage?.(received)
                pass(last)
              }
              if (status.code !== unauthenticated || hasBegun || sent === undefined) return end(status)
              let isOver = false
              const endWith = (code: number, details: string): void => {
                isOver = true
                giveUp = undefined
                clearTimeout(timer)
                end({ ...status, code, details })
              }
              giveUp = () => endWith(cancelled, 'Cancelled on client')
              // The deadline was kept by the call that ended, and the next one is not made yet.
              const leftMs = Math.min(Number(options.deadline ?? Infinity) - Date.now(), maxTimerMs)
              const timer = setTimeout(endWith, leftMs, deadlineExceeded, 'Deadline exceeded')
              const answer = { status: 401, headers: headersOf(status) }
              // Where there is none to be had, the refusal is what there is.
              const asked = source.headersAgain('POST', sent.url, sent.headers, answer).catch(() => undefined)
              void asked.then((headers) => {
                giveUp = undefined
                clearTimeout(timer)
                if (isOver) return
                if (headers === undefined) return end(status)
                let received: unknown = null
                again = callWith(async () => headers)
                again.start(metadata, {
                  onReceiveMetadata: (one) => listener.onReceiveMetadata(one),
                  onReceiveMessage: (one) => void (received = one),
                  onReceiveStatus: (last) => end(last, received),
                })
                again.sendMessage(message)
                again.halfClose()
              })
            },
          })
        },
        sendMessage(asked, next) {
          message = asked
          next(asked)
        },
        halfClose: (next) => next(),
        cancel(next) {
          giveUp?.()
          again?.cancelWithStatus(cancelled, 'Cancelled on client')
          next()
        },
      }
    }
  }
}

/** The challenge and the nonce, as a service that is asked over gRPC tells them in its trailers. */
function headersOf({ metadata }: GrpcStatus): Headers {
  const headers = new Headers()
  for (const name of ['www-authenticate', 'dpop-nonce']) {
    for (const value of metadata.get(name)) headers.append(name, String(value))
  }
  return headers
}

const cancelled = 1
const deadlineExceeded = 4
const unauthenticated = 16
/** A timer for longer than this ends at once. */
const maxTimerMs = 2 ** 31 - 1

type GrpcMetadata = { get(name: string): readonly (string | Uint8Array)[] }
type GrpcStatus = { readonly code: number; readonly details: string; readonly metadata: GrpcMetadata }
type GrpcListener = {
  onReceiveMetadata(metadata: GrpcMetadata): void
  onReceiveMessage(message: unknown): void
  onReceiveStatus(status: GrpcStatus): void
}

type GrpcCall = {
  start(metadata: GrpcMetadata, listener: GrpcListener): void
  sendMessage(message: unknown): void
  halfClose(): void
  cancelWithStatus(code: number, details: string): void
}

type Requester = {
  start(
    metadata: GrpcMetadata,
    listener: GrpcListener,
    next: (
      metadata: GrpcMetadata,
      listener: {
        onReceiveMetadata(metadata: GrpcMetadata, pass: (metadata: GrpcMetadata) => void): void
        onReceiveMessage(message: unknown, pass: (message: unknown) => void): void
        onReceiveStatus(status: GrpcStatus, pass: (status: GrpcStatus) => void): void
      },
    ) => void,
  ): void
  sendMessage(message: unknown, next: (message: unknown) => void): void
  halfClose(next: () => void): void
  cancel(next: () => void): void
}
