import type { Denial } from '../core/denial.ts'
import type { Principal } from './principal.ts'

export type Decision =
  | { readonly kind: 'allow'; readonly principal: Principal }
  | { readonly kind: 'deny'; readonly denial: Denial }
