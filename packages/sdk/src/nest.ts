export { contextNest, guardNest, Needs, Public, readAuth, Roles, Scopes } from './guard/nest.ts'
export type {
  HttpExceptionClass,
  NestContext,
  NestDecorator,
  NestGuard,
  NestInterceptor,
} from './guard/nest.ts'
