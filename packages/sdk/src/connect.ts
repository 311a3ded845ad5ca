export { authOf } from './guard/auth-of.ts'
export { authKey, guardConnect, peerKey } from './guard/connect.ts'
export type { ConnectErrorClass, ConnectInterceptor, ConnectRequest } from './guard/connect.ts'
