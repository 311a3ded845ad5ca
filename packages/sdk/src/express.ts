export { authOf } from './guard/auth-of.ts'
export { guardExpress } from './guard/express.ts'
export type { ExpressMiddleware } from './guard/express.ts'
