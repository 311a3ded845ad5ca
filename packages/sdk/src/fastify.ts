export { authOf } from './guard/auth-of.ts'
export { guardFastify } from './guard/fastify.ts'
export type {
  FastifyGuardOptions,
  FastifyGuardPlugin,
  GuardedConfig,
  GuardedRequest,
} from './guard/fastify.ts'
