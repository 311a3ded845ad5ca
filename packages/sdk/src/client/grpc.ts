import { isProblem } from '../core/problem.ts'
import type { TokenSource } from './token-source.ts'

/** What is needed of @grpc/grpc-js, which is not imported here: `import * as grpc from '@grpc/grpc-js'`. */
export type GrpcClientModule<Credentials> = {
  readonly credentials: {
    createFromMetadataGenerator(generate: (call: GrpcCallPlace, done: GrpcMetadataDone) => void): Credentials
  }
  readonly Metadata: new () => { set(name: string, value: string): void }
}

/** Where a call goes: `https://HOST/package.Service`, and the whole path `/package.Service/Method`, in grpc-js. */
export type GrpcCallPlace = { readonly service_url: string; readonly method_name: string }

export type GrpcMetadataDone = (error: Error | null, metadata?: never) => void

/**
 * Call credentials of gRPC: each call carries a token in its metadata (`authorization: Bearer …`).
 *
 * Composed with a channel's credentials they go over TLS alone. grpc-js also takes them for a single call on a channel
 * without TLS: that is for this machine, and for meshes that encrypt below.
 *
 * With `dpop` a proof is for the URL that grpc-js gives: `https://`, the host without its port, and the method's path; the
 * guard's `publicUrl` has to say the same.
 *
 * A token that the issuer refuses is `UNAUTHENTICATED`, one that cannot be had `UNAVAILABLE`.
 *
 * @example
 * const tls = grpc.credentials.createSsl()
 * const client = new InvoicesClient(address, grpc.credentials.combineChannelCredentials(tls, grpcCredentials(billing, grpc)))
 */
export function grpcCredentials<Credentials>(
  source: Pick<TokenSource, 'headersFor'>,
  grpc: GrpcClientModule<Credentials>,
): Credentials {
  return grpc.credentials.createFromMetadataGenerator(({ service_url: url, method_name: method }, done) => {
    source.headersFor('POST', urlOf(url, method)).then(
      (headers) => {
        const metadata = new grpc.Metadata()
        for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
        done(null, metadata as never)
      },
      (error: unknown) => done(statusOf(error)),
    )
  })
}

/** What a proof is for; other implementations of gRPC give the method's name alone. */
function urlOf(service: string, method: string): string {
  return method.startsWith('/') ? new URL(method, service).href : `${service}/${method}`
}

/** grpc-js makes a status of an error's code, when that is a number. */
function statusOf(error: unknown): Error {
  const code = isProblem(error) ? statuses[error.code] : undefined
  const message = error instanceof Error ? error.message : 'an unexpected failure'
  return Object.assign(new Error(message, { cause: error }), { code: code ?? internal })
}

const internal = 13
const statuses: Readonly<Record<string, number>> = {
  'token-refused': 16,
  'auth-missing': 16,
  'token-unavailable': 14,
}
