export { authOf } from './guard/auth-of.ts'
export type { Authenticated } from './guard/auth-of.ts'
export { guardHono } from './guard/hono.ts'
export type { HonoContext, HonoMiddleware } from './guard/hono.ts'
