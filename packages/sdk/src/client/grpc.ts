import { isProblem } from '../core/problem.ts'
import type { TokenSource } from './token-source.ts'

/** What is needed of @grpc/grpc-js, which is not imported here: `import * as grpc from '@grpc/grpc-js'`. */
export type GrpcClientModule<Credentials> = {
  readonly credentials: {
    createFromMetadataGenerator(generate: (call: GrpcCallPlace, done: GrpcMetadataDone) => void): Credentials
  }
  readonly Metadata: new () => { set(name: string, value: string): void }
}

export type GrpcCallPlace = { readonly service_url: string; readonly method_name: string }

export type GrpcMetadataDone = (error: Error | null, metadata?: never) => void

/**
 * Call credentials of gRPC: each call carries a token in its metadata (`authorization: Bearer …`).
 *
 * Composed with a channel's credentials they go over TLS alone. grpc-js also takes them for a single call on a channel
 * without TLS: that is for this machine, and for meshes that encrypt below.
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
    source.headersFor('POST', `${url}/${method}`).then(
      (headers) => {
        const metadata = new grpc.Metadata()
        for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
        done(null, metadata as never)
      },
      (error: unknown) => done(statusOf(error)),
    )
  })
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
