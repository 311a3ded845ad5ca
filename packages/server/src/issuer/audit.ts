import type { AuditEntry } from '../store/store.ts'
import { asciiJson } from './http/reply.ts'

export type AuditFacts = {
  readonly nowMs: number
  /** Who did it; undefined: the issuer by itself. */
  readonly actor?: AuditActor | undefined
  readonly action: AuditAction
  readonly subject: string
  readonly outcome?: AuditEntry['outcome']
  /** Names, counts and reasons; never a secret, never a token. */
  readonly detail?: Readonly<Record<string, unknown>>
}

/** `client ID` for who came by the admin API. */
export type AuditActor = `client ${string}` | 'bootstrap' | 'nobody' | 'operator'

/** Everything the audit log tells of. */
export type AuditAction =
  | 'admin.bootstrapped'
  | 'admin.entered'
  | 'admin.refused'
  | 'client.created'
  | 'client.changed'
  | 'client.disabled'
  | 'client.enabled'
  | 'client.removed'
  | 'client.secret-added'
  | 'client.secret-removed'
  | 'key.announced'
  | 'key.imported'
  | 'key.removed'
  | 'key.retired'
  | 'revocation.added'

/**
 * An entry for the audit log, in characters that every store keeps as they are.
 *
 * @example
 * auditEntry({ nowMs, actor: 'client ops', action: 'client.removed', subject: 'c7h2', detail: { name: 'shop' } })
 */
export function auditEntry({
  nowMs,
  actor,
  action,
  subject,
  outcome = 'done',
  detail = {},
}: AuditFacts): AuditEntry {
  return {
    atMs: nowMs,
    actor: plain(actor ?? 'issuer'),
    action,
    subject: plain(subject),
    outcome,
    detail: asciiJson(detail),
  }
}

/** Ids are ASCII; what a stranger calls himself need not be, and must not break a terminal or a database. */
function plain(text: string): string {
  return text.replaceAll(/[^ -~]/g, '?').slice(0, 256)
}
