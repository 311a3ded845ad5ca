import type { Denial } from '@countersign/sdk/core'
import { auditEntry } from '../issuer/audit.ts'
import type { AuditActor } from '../issuer/audit.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import { createTokenBuckets } from '../token-bucket.ts'

/** Who came to the admin API, for the audit log. */
export type AdminAudit = {
  /**
   * A client whose token is good and new here. Resolves when it is written down: nobody does anything before that.
   *
   * @throws Problem `store-unavailable`
   */
  entered(visit: Visit): Promise<void>
  /** Somebody was refused. Waits for nothing: a refusal stands whether or not it could be written down. */
  refused(visit: Visit, denial: Denial): void
}

export type Visit = {
  readonly nowMs: number
  /** undefined: nobody who could be recognised. */
  readonly clientId: string | undefined
  readonly tokenId: string | undefined
  readonly operation: string
  readonly address: string
}

/**
 * Entries are bounded where strangers could make them: of refusals no more are written down than one in two seconds after
 * the first thirty, and the next one that is says how many were left out. The log has them all.
 */
export function createAdminAudit({ store, log }: AdminAuditOptions): AdminAudit {
  const limit = createTokenBuckets({ perSecond: 0.5, burst: 30, entries: 1 })
  const known = new Set<string>()
  let leftOut = 0

  return {
    async entered({ nowMs, clientId, tokenId, operation, address }) {
      if (tokenId !== undefined && known.has(tokenId)) return
      const detail = { tokenId, operation, address }
      await store.appendAudit([
        auditEntry({ nowMs, actor: actorOf(clientId), action: 'admin.entered', subject: 'admin', detail }),
      ])
      log.info('admin.entered', { client: clientId, tokenId, address })
      if (tokenId === undefined) return
      known.add(tokenId)
      if (known.size > rememberedTokens) known.delete(known.values().next().value as string)
    },
    refused({ nowMs, clientId, tokenId, operation, address }, { reason, detail: why }) {
      log.warn('admin.refused', { client: clientId, tokenId, address, reason, detail: why })
      if (limit.take('refused', nowMs) > 0) {
        leftOut++
        return
      }
      const detail = { tokenId, operation, address, reason, ...(leftOut === 0 ? {} : { leftOut }) }
      leftOut = 0
      const refusal = {
        nowMs,
        actor: actorOf(clientId),
        action: 'admin.refused',
        subject: 'admin',
        outcome: 'refused',
      } as const
      store.appendAudit([auditEntry({ ...refusal, detail })]).catch((error: unknown) => {
        log.error('admin.audit-failed', { message: error instanceof Error ? error.message : 'unknown' })
      })
    },
  }
}

export type AdminAuditOptions = { readonly store: Pick<Store, 'appendAudit'>; readonly log: Log }

function actorOf(clientId: string | undefined): AuditActor {
  return clientId === undefined ? 'nobody' : `client ${clientId}`
}

const rememberedTokens = 1000
