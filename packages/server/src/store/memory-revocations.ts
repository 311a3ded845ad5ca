import { mergeRevocations } from './revocation-merge.ts'
import type { AuditEntry, RevocationRecord, Store } from './store.ts'

/** The part of a memory store that keeps what is revoked. */
export type MemoryRevocations = Pick<Store, 'readRevocations' | 'writeRevocation'> & {
  /** Drops at most `limit` that count no longer, and says how many. */
  drop(nowMs: number, limit: number): number
}

/**
 * Keeps revocations until the process ends.
 *
 * @param refuseClosed throws when the store is closed.
 * @param appendAudit writes the audit log.
 */
export function createMemoryRevocations(
  refuseClosed: () => void,
  appendAudit: (entries: readonly AuditEntry[]) => void,
): MemoryRevocations {
  // Whoever follows the list refuses one that is older than the last it saw, also across a restart of this process.
  let version = Date.now()
  const kept = new Map<string, RevocationRecord>()

  return {
    async readRevocations(nowMs, knownVersion) {
      refuseClosed()
      if (version === knownVersion) return undefined
      const live = [...kept].filter(([, { expiresAtMs }]) => expiresAtMs >= nowMs)
      return { version, revocations: live.sort(byKey).map(([, revocation]) => revocation) }
    },
    async writeRevocation(revocation, { nowMs, most, mostOfOne }, entries = []) {
      refuseClosed()
      const key = `${revocation.kind} ${revocation.id}`
      const live = [...kept.values()].filter(({ expiresAtMs }) => expiresAtMs >= nowMs)
      const known = live.find(({ kind, id }) => kind === revocation.kind && id === revocation.id)
      const own = live.filter(({ by }) => by === revocation.by)
      if (known === undefined && (live.length >= most || own.length >= mostOfOne)) return false
      const next = known === undefined ? revocation : mergeRevocations(known, revocation)
      if (next !== undefined) {
        kept.set(key, Object.freeze({ ...next }))
        version = Math.max(version + 1, nowMs)
      }
      appendAudit(entries)
      return true
    },
    drop(nowMs, limit) {
      let dropped = 0
      for (const [key, { expiresAtMs }] of kept) {
        if (dropped === limit) break
        if (expiresAtMs >= nowMs) continue
        kept.delete(key)
        dropped++
      }
      return dropped
    },
  }
}

function byKey([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  return left < right ? -1 : 1
}
