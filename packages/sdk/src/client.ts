export type { AuthenticationMethod } from './client/authenticate.ts'
export { connectInterceptor } from './client/connect.ts'
export type { ConnectClientInterceptor, ConnectClientRequest } from './client/connect.ts'
export { grpcCredentials } from './client/grpc.ts'
export type { GrpcCallPlace, GrpcClientModule, GrpcMetadataDone } from './client/grpc.ts'
export { grpcInterceptor } from './client/grpc-interceptor.ts'
export type {
  GrpcClientInterceptor,
  GrpcInterceptedCall,
  GrpcInterceptingModule,
} from './client/grpc-interceptor.ts'
export type { Subject, SubjectContext } from './client/on-behalf-of.ts'
export { createTokenSource } from './client/token-source.ts'
export type { AccessToken, ClientTokenSource, TokenSource } from './client/token-source.ts'
export type { TokenSourceEvent, TokenSourceOptions } from './client/token-source-options.ts'
export type { TransactionOptions } from './client/transaction.ts'
export { undiciInterceptor } from './client/undici.ts'
export type { UndiciInterceptor, UndiciRequest } from './client/undici.ts'
