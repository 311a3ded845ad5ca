import { Problem } from '@countersign/sdk/core'
import type { RingSnapshot, Store } from './store.ts'

/**
 * A store that forgets everything with the process: for tests, the demo, and `store: memory:` with one replica.
 *
 * @param options.sweepLimit how many expired marks one sweep drops at most.
 *
 * @example
 * const store = createMemoryStore()
 * await store.putOnce('client orders', 'a1', Date.now() + 60_000, Date.now())   // true, and false from then on
 */
export function createMemoryStore({ sweepLimit = 1000 }: { readonly sweepLimit?: number } = {}): Store {
  let ring: RingSnapshot = Object.freeze({ version: 0, keys: Object.freeze([]) })
  const marks = new Map<string, number>()
  let closed = false

  const refuseClosed = (): void => {
    if (closed) throw new Problem('store-unavailable', 'the memory store is closed')
  }

  return {
    kind: 'memory',
    async readRing() {
      refuseClosed()
      return ring
    },
    async replaceRing(expectedVersion, keys) {
      refuseClosed()
      if (ring.version !== expectedVersion) return false
      ring = Object.freeze({
        version: expectedVersion + 1,
        keys: Object.freeze(keys.map((key) => Object.freeze({ ...key }))),
      })
      return true
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
      return { dropped }
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
