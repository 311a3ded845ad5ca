import { randomBytes } from 'node:crypto'
import { deny, parseStrictJson } from '@countersign/sdk/core'
import type { Clock } from '@countersign/sdk/core'
import { createVerifier } from '@countersign/sdk/jwt'
import type { VerifiedToken } from '@countersign/sdk/jwt'
import { lineageOf } from '@countersign/sdk/policy'
import type { Client, Trust } from '../../trust/trust.ts'
import type { Form } from '../http/form.ts'
import { isRefusal, refuse } from '../http/refusal.ts'
import type { Refusal } from '../http/refusal.ts'
import type { RemoteKeys } from '../clients/remote-keys.ts'
import { narrow } from './rights.ts'
import type { Granted } from './rights.ts'
import { createShownTokens, endOf } from './subject-tokens.ts'
import type { OwnTokens, ShownTokens } from './subject-tokens.ts'
import { delegate, readBinding, refusedToken } from './token-exchange.ts'

/** Decides about requests for transaction tokens (draft-ietf-oauth-transaction-tokens). */
export type Transactions = (clientId: string, form: Form, nowMs: number) => Promise<Granted | Refusal>

export type TransactionsOptions = {
  readonly trust: Pick<Trust, 'clients' | 'services' | 'trusted' | 'transactions'>
  readonly isClient: (id: string) => boolean
  readonly own: OwnTokens
  readonly remoteKeys: RemoteKeys
  readonly clock: Clock
}

/** What a transaction token says beside the claims of its grant. */
export type TransactionClaims = {
  /** The transaction: the same in every token of it. */
  readonly txn: string
  /** Who asked for this token. */
  readonly req_wl: string
  /** What the transaction is about, and where it came from; said once, at its beginning. */
  readonly tctx?: object
  readonly rctx?: object
}

/**
 * Compiles who may begin a transaction, or go on with one for less: a client with `mayTransact`, from a token that a service
 * of its `mayExchange` was called with, or from a transaction token. What was said at the beginning stays as it is; scopes
 * only become fewer, and the life shorter.
 *
 * @example
 * const transactions = createTransactions({ trust, isClient, own, remoteKeys, clock })
 * await transactions('billing-api', form, nowMs) // { kind: 'granted', transaction: { txn, … }, … }
 */
export function createTransactions(options: TransactionsOptions): Transactions {
  const { trust, isClient, own, remoteKeys, clock } = options
  const { transactions } = trust
  const compiled = new Map<string, { client: Client; shown: ShownTokens | undefined }>()
  for (const client of trust.clients.values()) {
    if (client.mayTransact === undefined) continue
    compiled.set(client.id, { client, shown: createShownTokens(client, trust, { own, remoteKeys, clock }) })
  }
  if (transactions === undefined || compiled.size === 0) return async () => nobody
  const { trustDomain, lifetimeSeconds } = transactions
  const ours = createVerifier({
    issuer: own.issuer,
    keySet: own.keySet,
    audience: trustDomain,
    types: [transactionTokenMediaType],
    revocations: own.revocations,
    clock,
  })

  return async (clientId, form, nowMs) => {
    const { client, shown } = compiled.get(clientId) ?? {}
    if (client === undefined) return nobody
    const asked = readRequest(form, trustDomain)
    if (isRefusal(asked)) return asked
    const scopes = narrow(client.mayTransact!, asked.scope, 'scope')
    if (isRefusal(scopes)) return scopes
    const granted = {
      kind: 'granted',
      service: trustDomain,
      audience: trustDomain,
      roles: [],
      scopes,
    } as const

    if (asked.continues) {
      if (asked.details !== undefined || asked.context !== undefined) {
        return refuse('invalid_request', 'what a transaction is about is said at its beginning alone')
      }
      await own.revocations.load(nowMs)
      const outcome = ours.verifyNow(asked.subjectToken, nowMs) ?? (await ours.verify(asked.subjectToken))
      if (outcome.kind === 'denied') return refusedToken('subject_token', outcome.denial)
      const ended = endOf(outcome.token, nowMs)
      if (ended !== undefined) return refusedToken('subject_token', ended)
      const narrower = narrow([...outcome.token.scopes], scopes.join(' '), 'scope')
      return isRefusal(narrower) ? narrower : { ...granted, ...goOn(outcome.token, clientId, own.issuer) }
    }

    if (shown === undefined) return nobody
    const subject = await shown.subject(asked.subjectToken, nowMs)
    if ('reason' in subject) return refusedToken('subject_token', subject)
    if (!subject.own && isClient(subject.principal.subject)) {
      return refusedToken('subject_token', deny('claim-refused', 'its sub is the id of a client'))
    }
    const boundTo = readBinding(subject, client.mayExchangeBound)
    if (boundTo !== undefined && 'reason' in boundTo) return refusedToken('subject_token', boundTo)
    const delegation = delegate(subject, { sub: clientId, iss: own.issuer }, nowMs / 1000 + lifetimeSeconds)
    if ('reason' in delegation) return refusedToken('subject_token', delegation)
    return {
      ...granted,
      delegation: boundTo === undefined ? delegation : { ...delegation, boundTo },
      transaction: {
        txn: randomBytes(16).toString('base64url'),
        req_wl: clientId,
        ...(asked.details === undefined ? {} : { tctx: asked.details }),
        ...(asked.context === undefined ? {} : { rctx: asked.context }),
      },
    }
  }
}

/** The `requested_token_type` that leads here. */
export const transactionTokenType = 'urn:ietf:params:oauth:token-type:txn_token'

/** The `typ` of its header. */
export const transactionTokenMediaType = 'txntoken+jwt'

type Asked = {
  readonly subjectToken: string
  /** Whether the subject's token is a transaction token itself. */
  readonly continues: boolean
  readonly scope: string
  readonly details: object | undefined
  readonly context: object | undefined
}

function readRequest({ values, audiences, resources }: Form, trustDomain: string): Asked | Refusal {
  const subjectToken = values.get('subject_token')
  const type = values.get('subject_token_type')
  if (subjectToken === undefined) return refuse('invalid_request', 'subject_token is missing')
  if (type !== transactionTokenType && !subjectTypes.includes(type ?? '')) {
    return refuse(
      'invalid_request',
      `this subject_token_type is not read, or missing: ${subjectTypes.join(', ')}`,
    )
  }
  if (values.has('actor_token') || values.has('actor_token_type')) {
    return refuse('invalid_request', 'a transaction has no actor_token: the client itself asks')
  }
  if (audiences.length !== 1 || audiences[0] !== trustDomain || resources.length > 0) {
    return refuse('invalid_target', 'a transaction token is for the trust domain: name it in audience')
  }
  const scope = values.get('scope')
  if (scope === undefined) return refuse('invalid_scope', 'say in scope what the transaction is for')
  const details = readObject(values.get('request_details'))
  const context = readObject(values.get('request_context'))
  if (details === null || context === null) {
    return refuse(
      'invalid_request',
      'request_details and request_context are JSON objects of at most 4096 bytes',
    )
  }
  return { subjectToken, continues: type === transactionTokenType, scope, details, context }
}

/** Null for what is none. */
function readObject(text: string | undefined): object | null | undefined {
  if (text === undefined) return undefined
  const value = text.length > maxContextLength ? 'too long' : parseStrictJson(text)
  return typeof value === 'string' ? null : value
}

/** The next token of a transaction: as the one before in all but its scopes and who asked. */
function goOn(
  { claims, subject, expiresAtSeconds, issuer, tokenId }: VerifiedToken,
  clientId: string,
  own: string,
): Pick<Granted, 'delegation' | 'transaction'> {
  const { txn, tctx, rctx, sub_id } = claims
  const lineage = lineageOf({ issuer, tokenId, claims, own: true })
  return {
    delegation: {
      subject: subject ?? '',
      expiresAtSeconds: Math.floor(expiresAtSeconds),
      claims: { act: { sub: clientId, iss: own }, lineage, ...(sub_id === undefined ? {} : { sub_id }) },
    },
    transaction: {
      txn: String(txn),
      req_wl: clientId,
      ...(tctx === undefined ? {} : { tctx: tctx as object }),
      ...(rctx === undefined ? {} : { rctx: rctx as object }),
    },
  }
}

const subjectTypes = ['urn:ietf:params:oauth:token-type:access_token', 'urn:ietf:params:oauth:token-type:jwt']
const nobody = refuse('unauthorized_client', 'the trust file does not let this client begin transactions')
const maxContextLength = 4096
