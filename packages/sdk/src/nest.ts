export { guardNest, Needs, Public, readAuth, Roles, Scopes } from './guard/nest.ts'
export type { HttpExceptionClass, NestContext, NestDecorator, NestGuard } from './guard/nest.ts'
