import { Problem } from '@countersign/sdk/core'
import { chainEntries, emptyChain } from './audit-chain.ts'
import { createMemoryRevocations } from './memory-revocations.ts'
import type { AuditEntry, AuditRecord, ClientDraft, ClientRecord, RingSnapshot, Store } from './store.ts'

/**
 * A store that forgets everything with the process: for tests, the demo, and `store: memory:` with one replica.
 *
 * @param options.sweepLimit how many expired marks and revocations one sweep drops at most.
 *
 * @example
 * const store = createMemoryStore()
 * await store.putOnce('client orders', 'a1', Date.now() + 60_000, Date.now())   // true, and false from then on
 */
export function createMemoryStore({ sweepLimit = 1000 }: { readonly sweepLimit?: number } = {}): Store {
  let ring: RingSnapshot = Object.freeze({ version: 0, keys: Object.freeze([]) })
  const marks = new Map<string, number>()
  const clients = new Map<string, ClientRecord>()
  const clientOfRequest = new Map<string, string>()
  let clientVersion = 0
  const audit: AuditRecord[] = []
  let closed = false

  const refuseClosed = (): void => {
    if (closed) throw new Problem('store-unavailable', 'the memory store is closed')
  }

  const append = (entries: readonly AuditEntry[]): readonly AuditRecord[] => {
    const records = chainEntries(audit.at(-1) ?? emptyChain, entries).map((record) => Object.freeze(record))
    audit.push(...records)
    return records
  }
  const byRequest = (request: string): ClientRecord | undefined =>
    clients.get(clientOfRequest.get(request) ?? '')

  const write = (
    client: ClientDraft,
    expectedRevision: number,
    entries: readonly AuditEntry[],
  ): ClientRecord | undefined => {
    const known = clients.get(client.id)
    if ((known?.revision ?? 0) !== expectedRevision || known?.removed === true) return undefined
    if (known === undefined && client.request !== undefined && byRequest(client.request)) return undefined
    const record = Object.freeze({
      ...client,
      request: known === undefined ? client.request : known.request,
      revision: expectedRevision + 1,
      version: ++clientVersion,
    })
    clients.set(record.id, record)
    if (record.request !== undefined) clientOfRequest.set(record.request, record.id)
    append(entries)
    return record
  }

  const {
    drop: dropRevocations,
    plan: planRevocations,
    ...revocations
  } = createMemoryRevocations(refuseClosed, append)

  return {
    kind: 'memory',
    ...revocations,
    async readRing() {
      refuseClosed()
      return ring
    },
    async replaceRing(expectedVersion, keys, entries = []) {
      refuseClosed()
      if (ring.version !== expectedVersion) return false
      append(entries)
      ring = Object.freeze({
        version: expectedVersion + 1,
        keys: Object.freeze(keys.map((key) => Object.freeze({ ...key }))),
      })
      return true
    },
    async readClientChanges(afterVersion, limit) {
      refuseClosed()
      if (afterVersion >= clientVersion) return []
      const changed = [...clients.values()].filter(({ version }) => version > afterVersion)
      return changed.sort((a, b) => a.version - b.version).slice(0, limit)
    },
    async listClients(afterId, limit) {
      refuseClosed()
      const listed = [...clients.values()].filter(({ id, removed }) => !removed && id > afterId)
      return listed.sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit)
    },
    async findClient(by) {
      refuseClosed()
      return 'id' in by ? clients.get(by.id) : byRequest(by.request)
    },
    async writeClient(client, expectedRevision, entries) {
      refuseClosed()
      return write(client, expectedRevision, entries)
    },
    async writeClientAndRevoke(client, expectedRevision, records, bounds, entries) {
      refuseClosed()
      const put = planRevocations(records, bounds)
      if (put === undefined) return 'full'
      const written = write(client, expectedRevision, entries)
      if (written !== undefined) put()
      return written
    },
    async appendAudit(entries) {
      refuseClosed()
      return append(entries)
    },
    async readAudit(afterSequence, limit) {
      refuseClosed()
      return audit.slice(afterSequence, afterSequence + limit)
    },
    async readAuditHead() {
      refuseClosed()
      const { sequence, hash } = audit.at(-1) ?? emptyChain
      return { sequence, hash }
    },
    async putOnce(scope, id, expiresAtMs, nowMs) {
      refuseClosed()
      const mark = markKey(scope, id)
      const known = marks.get(mark)
      if (known !== undefined && known >= nowMs) return false
      marks.set(mark, expiresAtMs)
      return true
    },
    async sweep(nowMs) {
      refuseClosed()
      let dropped = 0
      for (const [mark, expiresAtMs] of marks) {
        if (dropped === sweepLimit) break
        if (expiresAtMs >= nowMs) continue
        marks.delete(mark)
        dropped++
      }
      return { dropped: dropped + dropRevocations(nowMs, sweepLimit - dropped) }
    },
    async ping() {
      refuseClosed()
    },
    async close() {
      closed = true
      marks.clear()
    },
  }
}

/** The length in front keeps ('a', 'b c') and ('a b', 'c') apart. */
function markKey(scope: string, id: string): string {
  return `${scope.length} ${scope} ${id}`
}
