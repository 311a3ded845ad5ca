export { guardGraphql } from './guard/graphql.ts'
export type { GraphqlCode, GraphqlErrorClass } from './guard/graphql.ts'
export { Refusal } from './guard/refusal.ts'
export type { HttpRequest, Need, Needs } from './guard/refusal.ts'
