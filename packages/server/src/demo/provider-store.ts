import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider'

/**
 * Where the demo's identity provider keeps its sessions, codes and grants: in memory, gone with the process.
 * Everything expires; what has expired is dropped when it is met and whenever the store grows past its limit.
 *
 * @param now milliseconds since the epoch
 */
export function createProviderStore(now: () => number = Date.now): AdapterFactory {
  const kept = new Map<string, Kept>()

  function find(key: string): AdapterPayload | undefined {
    const found = kept.get(key)
    if (found === undefined || found.endsMs > now()) return found?.payload
    kept.delete(key)
    return undefined
  }

  function findBy(prefix: string, name: 'uid' | 'userCode', value: string): AdapterPayload | undefined {
    for (const [key, { payload }] of kept) {
      if (key.startsWith(prefix) && payload[name] === value) return find(key)
    }
    return undefined
  }

  function makeRoom(): void {
    for (const [key, { endsMs }] of kept) if (endsMs <= now()) kept.delete(key)
    // Still full: the oldest go first, which a Map hands out first.
    for (const key of kept.keys()) {
      if (kept.size < limit) return
      kept.delete(key)
    }
  }

  return (kind): Adapter => {
    const prefix = `${kind}:`
    return {
      async upsert(id, payload, lifeSeconds) {
        if (kept.size >= limit) makeRoom()
        const endsMs = lifeSeconds === undefined ? Infinity : now() + lifeSeconds * 1000
        kept.set(prefix + id, { payload, endsMs })
      },
      async find(id) {
        return find(prefix + id)
      },
      async findByUid(uid) {
        return findBy(prefix, 'uid', uid)
      },
      async findByUserCode(userCode) {
        return findBy(prefix, 'userCode', userCode)
      },
      async consume(id) {
        const found = kept.get(prefix + id)
        if (found !== undefined) found.payload = { ...found.payload, consumed: Math.floor(now() / 1000) }
      },
      async destroy(id) {
        kept.delete(prefix + id)
      },
      async revokeByGrantId(grantId) {
        for (const [key, { payload }] of kept) if (payload.grantId === grantId) kept.delete(key)
      },
    }
  }
}

type Kept = { payload: AdapterPayload; readonly endsMs: number }

const limit = 10_000
