export { contextNest, guardNest, Needs, Public, readAuth, Roles, Scopes } from './guard/nest.ts'
export type {
  HttpExceptionClass,
  NestContext,
  NestDecorator,
  NestGuard,
  NestInterceptor,
} from './guard/nest.ts'
export { moduleNest } from './guard/nest-module.ts'
export type { NestModule, NestNames } from './guard/nest-module.ts'
