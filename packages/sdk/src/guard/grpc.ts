import { isPending } from '../core/pending.ts'
import { proceed, rememberAuth } from './auth-of.ts'
import type { Guard, GuardRequest, GuardTerms, RequirementOf } from './guard.ts'
import { outcomeOf, responseHeadersOf } from './outcome.ts'
import type { Outcome, Refused } from './outcome.ts'
import { checkRequirement } from './routes.ts'
import type { GuardRoutes } from './routes.ts'
import { rpcStatus } from './rpc-status.ts'

/** What is needed of @grpc/grpc-js, which is not imported here: `import * as grpc from '@grpc/grpc-js'`. */
export type GrpcModule = {
  readonly ServerInterceptingCall: new (call: never, responder?: never) => object
  readonly Metadata: new () => GrpcMetadata
}

/** A server interceptor of grpc-js, for the option `interceptors` of its server. */
export type GrpcInterceptor<Grpc extends GrpcModule> = (
  method: { readonly path: string },
  call: ConstructorParameters<Grpc['ServerInterceptingCall']>[0],
) => InstanceType<Grpc['ServerInterceptingCall']>

/**
 * Guards a gRPC server: before a call's messages are read, its metadata must hold a token (`authorization: Bearer …`)
 * that meets the requirement. Refusals have the status `UNAUTHENTICATED`, `PERMISSION_DENIED`, or `UNAVAILABLE` when
 * nothing can be decided, and the challenge as trailing metadata. Handlers find who acts with `authOf(call.metadata)`, and
 * run in the guard's context where it has one; only the events `cancelled` and, after it, `close` come outside of it.
 *
 * @param requirement what every method needs, or routes, which for gRPC are `POST /package.Service/Method`; a method
 *   that none of them names is not there.
 * @throws Problem `policy-invalid`, `option-unknown`, when the service starts.
 * @example
 * const routes = readRoutes({ 'POST /billing.Invoices/Read': { roles: 'reader' } })
 * const server = new grpc.Server({ interceptors: [guardGrpc(guard, routes, grpc)] })
 */
export function guardGrpc<Grpc extends GrpcModule, Terms extends GuardTerms>(
  guard: Guard<Terms>,
  requirement: RequirementOf<Terms> | GuardRoutes<Terms['role'], Terms['scope']>,
  grpc: Grpc,
): GrpcInterceptor<Grpc> {
  checkRequirement(requirement)
  const InterceptingCall = grpc.ServerInterceptingCall as unknown as new (
    call: GrpcCall,
    responder: Responder,
  ) => InstanceType<Grpc['ServerInterceptingCall']>
  return ({ path }, call: GrpcCall) => {
    // What an answer tells besides, such as the next nonce.
    let told: ReturnType<typeof responseHeadersOf> = []
    // Who acts is remembered on the metadata, which comes first; what comes after it is handed over without.
    let carrier: object = call
    return new InterceptingCall(call, {
      start(next) {
        next({
          onReceiveMetadata(metadata, go) {
            carrier = metadata
            const outcome = outcomeOf(guard, readCall(path, metadata, call), requirement, [])
            if (isPending(outcome)) void outcome.then((settled) => act(settled, metadata, go))
            else act(outcome, metadata, go)
          },
          // Most handlers begin with the message or at its end, and each of these is an event of its own.
          onReceiveMessage: (message, go) => proceed(carrier, guard, () => go(message)),
          onReceiveHalfClose: (go) => proceed(carrier, guard, go),
        })
      },
      sendMetadata(metadata, next) {
        for (const [name, value] of told) metadata.set(name, value)
        next(metadata)
      },
    })

    function act(outcome: Outcome, metadata: GrpcMetadata, go: MetadataNext): void {
      if (outcome.kind !== 'allow') return refuse(outcome, call)
      told = responseHeadersOf(outcome)
      rememberAuth(metadata, outcome.principal, guard)
      proceed(metadata, guard, () => go(metadata))
    }
  }

  function refuse(outcome: Refused, call: GrpcCall): void {
    const { status, headers, body } = outcome.challenge
    const trailers = new grpc.Metadata()
    for (const name of ['WWW-Authenticate', 'Retry-After', 'DPoP-Nonce']) {
      if (headers[name] !== undefined) trailers.set(name, headers[name])
    }
    call.sendStatus({ code: rpcStatus(status), details: body, metadata: trailers })
  }
}

/** gRPC's own requests are all POST (its protocol over HTTP/2); binary metadata is nobody's token. */
function readCall(path: string, metadata: GrpcMetadata, call: GrpcCall): GuardRequest {
  const rawHeaders: string[] = []
  for (const name of Object.keys(metadata.getMap())) {
    if (name.endsWith('-bin')) continue
    for (const value of metadata.get(name)) rawHeaders.push(name, String(value))
  }
  const peer = {
    remoteAddress: call.getConnectionInfo?.().remoteAddress,
    // Only a certificate that the server's own authorities have signed.
    getPeerX509Certificate: () => call.getAuthContext?.().sslPeerCertificate,
  }
  return { method: 'POST', target: path, rawHeaders, peer }
}

type MetadataNext = (metadata: GrpcMetadata) => void

type Listener = {
  onReceiveMetadata(metadata: GrpcMetadata, go: MetadataNext): void
  onReceiveMessage(message: unknown, go: (message: unknown) => void): void
  onReceiveHalfClose(go: () => void): void
}

type Responder = {
  start(next: (listener: Listener) => void): void
  sendMetadata(metadata: GrpcMetadata, next: MetadataNext): void
}

/** `Metadata` of grpc-js. */
export type GrpcMetadata = {
  get(name: string): readonly (string | Uint8Array)[]
  getMap(): object
  set(name: string, value: string): void
}

/** A call on its way to its handler. */
type GrpcCall = {
  getConnectionInfo?(): { readonly remoteAddress?: string | undefined }
  getAuthContext?(): { readonly sslPeerCertificate?: { readonly raw: Uint8Array } }
  sendStatus(status: { code: number; details: string; metadata: GrpcMetadata }): void
}
