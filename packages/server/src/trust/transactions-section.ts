import { claimText, duration } from './scalars.ts'
import { fields, optional, required } from './shape.ts'
import type { Shape } from './shape.ts'
import type { TransactionSettings } from './trust.ts'

/** The `transactions` section (draft-ietf-oauth-transaction-tokens). */
export const transactionsSection = fields({
  trustDomain: required(
    claimText('a trust domain such as acme.example'),
    'Their aud claim: everybody who may read them.',
  ),
  lifetime: optional(duration({ min: '5s', max: '10m' }), 'How long one lives at most; 1m.'),
})

type Draft = typeof transactionsSection extends Shape<infer T> ? T : never

export function resolveTransactions(draft: Draft | undefined): {
  readonly transactions?: TransactionSettings
} {
  const { trustDomain, lifetime = 60 } = draft ?? {}
  return trustDomain === undefined ? {} : { transactions: { trustDomain, lifetimeSeconds: lifetime } }
}
