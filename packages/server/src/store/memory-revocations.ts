import { mergeRevocations } from './revocation-merge.ts'
import type { AuditEntry, RevocationBounds, RevocationRecord, Store } from './store.ts'

/** The part of a memory store that keeps what is revoked. */
export type MemoryRevocations = Pick<Store, 'readRevocations' | 'writeRevocation'> & {
  /**
   * Looks whether the list takes all of these.
   *
   * @returns what writes them; undefined when there is no room.
   */
  plan(revocations: readonly RevocationRecord[], bounds: RevocationBounds): (() => void) | undefined
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
  const find = ({ kind, id }: RevocationRecord, nowMs: number): RevocationRecord | undefined => {
    const known = kept.get(`${kind} ${id}`)
    return known !== undefined && known.expiresAtMs >= nowMs ? known : undefined
  }
  const plan: MemoryRevocations['plan'] = (revocations, { nowMs, most, mostOfOne }) => {
    const fresh = revocations.filter((revocation) => find(revocation, nowMs) === undefined)
    if (fresh.length > 0) {
      const live = [...kept.values()].filter(({ expiresAtMs }) => expiresAtMs >= nowMs)
      const own = live.filter(({ by }) => by === fresh[0]!.by)
      if (live.length + fresh.length > most || own.length + fresh.length > mostOfOne) return undefined
    }
    return () => {
      for (const revocation of revocations) {
        const known = find(revocation, nowMs)
        const next = known === undefined ? revocation : mergeRevocations(known, revocation)
        if (next === undefined) continue
        kept.set(`${next.kind} ${next.id}`, Object.freeze({ ...next }))
        version = Math.max(version + 1, nowMs)
      }
    }
  }

  return {
    async readRevocations(nowMs, knownVersion) {
      refuseClosed()
      if (version === knownVersion) return undefined
      const live = [...kept].filter(([, { expiresAtMs }]) => expiresAtMs >= nowMs)
      return { version, revocations: live.sort(byKey).map(([, revocation]) => revocation) }
    },
    async writeRevocation(revocation, bounds, entries = []) {
      refuseClosed()
      const put = plan([revocation], bounds)
      if (put === undefined) return false
      put()
      appendAudit(entries)
      return true
    },
    plan,
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
