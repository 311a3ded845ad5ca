import type { TrustFileDraft } from './file-shape.ts'
import { mistake } from './reading.ts'
import type { Reading } from './reading.ts'
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

/** They are our own issuer's alone, and nobody can show that one is theirs. */
export function checkTransactions({ services, transactions }: TrustFileDraft, reading: Reading): void {
  for (const { value } of services?.values() ?? []) {
    const { transactions: takes, accepts, bind } = value
    if (takes === undefined) continue
    if (transactions === undefined) {
      mistake(reading, takes, 'there are no transaction tokens', 'add a section `transactions`')
    }
    const foreign = accepts?.find((issuer) => issuer.value !== 'own')
    if (foreign !== undefined)
      mistake(reading, foreign, 'transaction tokens are our own issuer’s alone', 'take it out')
    if (bind !== undefined) mistake(reading, bind, 'a transaction token is bound to nobody', 'take it out')
  }
}
