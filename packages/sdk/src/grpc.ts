export { authOf } from './guard/auth-of.ts'
export { guardGrpc } from './guard/grpc.ts'
export type { GrpcInterceptor, GrpcMetadata, GrpcModule } from './guard/grpc.ts'
