export { challengeHeaders, guardTrpc } from './guard/trpc.ts'
export type { TrpcCode, TrpcErrorClass } from './guard/trpc.ts'
export { Refusal } from './guard/refusal.ts'
export type { HttpRequest, Need, Needs } from './guard/refusal.ts'
