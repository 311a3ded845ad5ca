export { authOf } from './guard/auth-of.ts'
export type { Authenticated } from './guard/auth-of.ts'
export { guardKoa } from './guard/koa.ts'
export type { KoaContext, KoaMiddleware } from './guard/koa.ts'
