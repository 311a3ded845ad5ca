import { randomUUID } from 'node:crypto'
import type { Denial } from '../core/denial.ts'
import { parseStrictJson } from '../core/json.ts'
import type { KeySet } from '../jwt/key-set.ts'
import { createVerifier } from '../jwt/verifier.ts'
import type { VerifiedToken } from '../jwt/verified-token.ts'
import { readNames } from './names.ts'
import type { Form } from '../core/form.ts'
import type { TestIssuer } from './memory-issuer.ts'
import { carriedOn } from './token-exchange.ts'
import type { ShownSubject, ShownSubjects } from './token-exchange.ts'

/** What a transaction token says, and the subject's token that it was got for; or the error of RFC 6749 §5.2. */
export type Transaction = {
  readonly subject: string
  readonly secondsLeft: number
  readonly scopes: readonly string[]
  readonly claims: Readonly<Record<string, unknown>>
  /** The key that the client must prove to have. */
  readonly boundTo: string | undefined
}

export type Transactions = (
  clientId: string,
  mayTransact: readonly string[],
  form: Form,
) => Transaction | Denial | { readonly error: string }

/**
 * Begins transactions (draft-ietf-oauth-transaction-tokens), and goes on with them for the same scopes or fewer; what is
 * said at the beginning stays as it is.
 *
 * @param trustDomain whom the tokens are for; undefined: there are none.
 */
export function createTransactions(
  trustDomain: string | undefined,
  { issuer, keySet, subjects }: { issuer: TestIssuer; keySet: KeySet; subjects: ShownSubjects },
): Transactions {
  if (trustDomain === undefined) return () => ({ error: 'unauthorized_client' })
  const { url, clock, revocations } = issuer
  const types = [transactionMediaType]
  const ours = createVerifier({ issuer: url, audience: trustDomain, types, keySet, clock, revocations })

  return (clientId, mayTransact, { values, audiences, resources }) => {
    if (mayTransact.length === 0) return { error: 'unauthorized_client' }
    const isOurs = audiences.length === 1 && audiences[0] === trustDomain && resources.length === 0
    if (!isOurs) return { error: 'invalid_target' }
    // Nothing said is not all of it: a transaction is for something.
    const scopes = readNames(values.get('scope') ?? '', mayTransact)
    if (scopes === undefined) return { error: 'invalid_scope' }
    const tctx = readContext(values.get('request_details'))
    const rctx = readContext(values.get('request_context'))
    if (tctx === null || rctx === null) return { error: 'invalid_request' }
    const text = values.get('subject_token') ?? ''
    if (values.get('subject_token_type') === transactionTokenType) {
      if (tctx !== undefined || rctx !== undefined) return { error: 'invalid_request' }
      const verification = ours.verifyNow(text)
      if (verification?.kind !== 'verified') return verification?.denial ?? { error: 'invalid_request' }
      const { token } = verification
      if (!scopes.every((name) => token.scopes.includes(name))) return { error: 'invalid_scope' }
      return goOn(token, clientId, scopes, clock() / 1000)
    }
    if (values.get('subject_token_type') !== accessTokenType) return { error: 'invalid_request' }
    const subject = subjects(clientId, text)
    if (subject === undefined) return { error: 'unauthorized_client' }
    if ('reason' in subject) return subject
    return begin(subject, { txn: randomUUID(), req_wl: clientId, tctx, rctx }, scopes)
  }
}

/** The `requested_token_type` that leads here. */
export const transactionTokenType = 'urn:ietf:params:oauth:token-type:txn_token'

/** The `typ` of its header. */
export const transactionMediaType = 'txntoken+jwt'

function begin(
  { name, secondsLeft, boundTo, claims }: ShownSubject,
  said: object,
  scopes: readonly string[],
): Transaction {
  const { lineage } = claims
  return { subject: name, secondsLeft, scopes, boundTo, claims: { ...said, lineage } }
}

function goOn(
  token: VerifiedToken,
  clientId: string,
  scopes: readonly string[],
  nowSeconds: number,
): Transaction | { readonly error: string } {
  const { txn, tctx, rctx } = token.claims
  const secondsLeft = Math.floor(token.expiresAtSeconds - nowSeconds)
  if (secondsLeft < 1) return { error: 'invalid_request' }
  const { lineage } = carriedOn(token)
  const claims = { txn, req_wl: clientId, tctx, rctx, lineage }
  return { subject: token.subject ?? '', secondsLeft, scopes, boundTo: undefined, claims }
}

/** Null for what is no JSON object. */
function readContext(text: string | undefined): object | null | undefined {
  if (text === undefined) return undefined
  const value = text.length > maxContextLength ? 'too long' : parseStrictJson(text)
  return typeof value === 'string' ? null : value
}

const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'
const maxContextLength = 4096
