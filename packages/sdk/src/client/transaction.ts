import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import { inspectToken } from '../jwt/inspect.ts'
import type { IssuerAccess } from './issuer-access.ts'
import { exchangeFields } from './on-behalf-of.ts'
import type { Subject } from './on-behalf-of.ts'
import type { AccessToken } from './token-source.ts'

export type TransactionOptions = {
  /** What the transaction is for. */
  readonly scopes: readonly string[]
  /** What it is about, such as an amount: JSON that every service of the transaction then finds in `tctx`. */
  readonly details?: Readonly<Record<string, unknown>>
  /** Where it came from, such as an address: JSON that they find in `rctx`. */
  readonly context?: Readonly<Record<string, unknown>>
}

/**
 * Asks for a transaction token (draft-ietf-oauth-transaction-tokens) on behalf of whoever acts: a new transaction, or less
 * of the one that the caller's own token belongs to. Each request is one: nothing is kept.
 *
 * @throws Problem `option-invalid`, `option-unknown`, `auth-missing`, `token-refused`, `token-unavailable`.
 */
export async function requestTransaction(
  access: IssuerAccess,
  fields: Readonly<Record<string, string>>,
  subject: Subject,
  options: TransactionOptions,
): Promise<AccessToken> {
  refuseUnknownOptions('transaction', options, ['scopes', 'details', 'context'])
  const { scopes, details, context } = options
  if (!Array.isArray(scopes) || scopes.length === 0) {
    throw new Problem('option-invalid', 'transaction: scopes: expected what it is for')
  }
  const nowMs = access.clock()
  const shown = exchangeFields(subject, 'transaction')
  const continues = inspectToken(shown.subject_token).header?.['typ'] === 'txntoken+jwt'
  const asked = {
    ...fields,
    ...shown,
    ...(continues ? { subject_token_type: transactionType } : {}),
    requested_token_type: transactionType,
    scope: scopes.join(' '),
    ...(details === undefined ? {} : { request_details: JSON.stringify(details) }),
    ...(context === undefined ? {} : { request_context: JSON.stringify(context) }),
  }
  const { token, lifetimeSeconds, scopes: granted } = await access.ask(asked, nowMs)
  return Object.freeze({ secret: token, expiresAtMs: nowMs + lifetimeSeconds * 1000, scopes: granted })
}

const transactionType = 'urn:ietf:params:oauth:token-type:txn_token'
