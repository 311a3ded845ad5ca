export type { AuthenticationMethod } from './client/authenticate.ts'
export { createTokenSource } from './client/token-source.ts'
export type { AccessToken, TokenSource } from './client/token-source.ts'
export type { TokenSourceEvent, TokenSourceOptions } from './client/token-source-options.ts'
