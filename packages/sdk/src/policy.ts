export type { Decision } from './policy/decide.ts'
export type { ClaimPredicate, ClaimValue, Policy, Requirement } from './policy/policy.ts'
export type { Actor, Principal } from './policy/principal.ts'
