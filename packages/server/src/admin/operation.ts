import type { StrictJson } from '@countersign/sdk/core'
import type { Issuer } from '../issuer/issuer.ts'
import type { Store } from '../store/store.ts'
import type { BootstrapCode } from './bootstrap-code.ts'
import type { AdminScope } from '../trust/admin-service.ts'
import type { JsonSchema } from '../trust/shape.ts'
import type { Trust } from '../trust/trust.ts'

/** One thing the admin API does: how it is asked for, what it takes, and what does it. Its document is made from these. */
export type AdminOperation = {
  /** The operation's name in the document. */
  readonly name: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below the admin API's own path, such as `/clients/{id}`. */
  readonly path: string
  /** `code`: whoever shows the one-time code; `open`: everybody who reaches the listener. */
  readonly scope: AdminScope | 'open' | 'code'
  readonly about: string
  /** Query parameters. */
  readonly query?: Readonly<Record<string, { readonly about: string; readonly schema: JsonSchema }>>
  /** Whether the revision that is meant must be named in `If-Match` (RFC 9110 §13.1.1). */
  readonly edits?: true
  /** Whether the same request may be sent again, with the same `Idempotency-Key`. */
  readonly repeatable?: true
  /** The body; undefined: none is taken. */
  readonly body?: JsonSchema
  /** What it answers when it has worked. */
  readonly answers: { readonly status: 200 | 201 | 204; readonly schema?: JsonSchema }
  run(request: AdminRequest, parts: AdminParts): Promise<AdminReply> | AdminReply
}

/** A request that may be carried out. */
export type AdminRequest = {
  readonly params: Readonly<Record<string, string>>
  readonly query: ReadonlyMap<string, string>
  readonly body: StrictJson
  /** Who asks; empty where nobody was asked. */
  readonly clientId: string
  readonly scopes: ReadonlySet<string>
  /** The revision that `If-Match` names; undefined: none, or `*`. */
  readonly revision: number | undefined
  readonly idempotencyKey: string | undefined
  readonly nowMs: number
}

export type AdminReply = {
  readonly status: number
  readonly body?: object
  /** Names and values in turn. */
  readonly headers?: readonly string[]
}

/** What operations work on. */
export type AdminParts = {
  readonly issuer: Pick<Issuer, 'keyRing' | 'managed' | 'revoke' | 'revocations'>
  readonly store: Store
  readonly trust: () => Trust
  readonly code: Pick<BootstrapCode, 'fits' | 'useUp'>
}

/** A refusal, as RFC 9457 writes it, with a code that programs can go by. */
export function problem(status: number, code: string, detail: string, more: object = {}): AdminReply {
  return {
    status,
    headers: ['Content-Type', 'application/problem+json'],
    body: { type: 'about:blank', title: titles[status] ?? 'Error', status, code, detail, ...more },
  }
}

const titles: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  409: 'Conflict',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  428: 'Precondition Required',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}
