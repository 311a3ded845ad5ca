import type { Clock } from '@countersign/sdk/core'
import { createRevocations } from '@countersign/sdk/jwt'
import type { Revocation, Revocations, RevocationSource } from '@countersign/sdk/jwt'
import type { Log } from '../../log.ts'
import type {
  AuditEntry,
  RevocationBounds,
  RevocationRecord,
  RevocationSnapshot,
  Store,
} from '../../store/store.ts'

/** Everything of ours that is revoked, as this process knows it from the store. */
export type RevocationList = {
  /** For what the issuer itself decides: it does not decide by a list that is older than 30 seconds. */
  readonly revocations: Revocations
  /**
   * For a verifier in this process that judges longer without the store.
   *
   * @param staleAfterSeconds for how long, then it answers 503; undefined: without end.
   */
  followedFor(staleAfterSeconds: number | undefined): Revocations
  /** The list as of a second ago at most, while the store answers. @throws Problem `revocations-unavailable` */
  current(): Promise<RevocationSnapshot>
  /** The list as it was last read, however long ago; version -1: never. For metrics. */
  readonly known: RevocationSnapshot
  /**
   * Writes a revocation to the store, and lets everybody in this process know before it resolves.
   *
   * @returns false when the list is full.
   * @throws Problem `store-unavailable`; then it may be written or not: try again.
   */
  add(record: RevocationRecord, bounds: RevocationBounds, audit: readonly AuditEntry[]): Promise<boolean>
  /** Lets everybody in this process know of what is written in the store already. */
  learn(records: readonly RevocationRecord[], nowMs: number): Promise<void>
}

/**
 * Opens the list. The store is asked when somebody wants to know, once a second at most, and usually answers "nothing new".
 *
 * @example
 * const list = createRevocationList({ issuer: 'https://issuer.example', store, clock, log })
 * const verifier = createVerifier({ issuer, audience, keySet, revocations: list.revocations })
 */
export function createRevocationList({ issuer, store, clock, log }: RevocationListOptions): RevocationList {
  let snapshot: RevocationSnapshot = { version: -1, revocations: [] }
  let reading: Promise<void> | undefined
  const read = (nowMs: number): Promise<void> =>
    (reading ??= store
      .readRevocations(nowMs, snapshot.version)
      .then((next) => {
        // A reading that began before a write must not bring back what was before it.
        if (next !== undefined && next.version > snapshot.version) snapshot = next
      })
      .finally(() => (reading = undefined)))

  const open = (staleAfterSeconds: number | undefined): Revocations => {
    let seenVersion = -1
    const source: RevocationSource = {
      name: 'the store',
      everySeconds: 1,
      ...(staleAfterSeconds === undefined ? {} : { staleAfterSeconds }),
      async read(nowMs) {
        await read(nowMs)
        if (seenVersion === snapshot.version) return undefined
        seenVersion = snapshot.version
        return snapshot.revocations.map((record) => asRevocation(record, issuer))
      },
      onEvent(event) {
        if (event.kind === 'failed') {
          const { problem, refusing } = event
          log.warn('revocations.failed', { issuer, message: problem.message, stillServing: !refusing })
        }
      },
    }
    return createRevocations({ sources: [source] })
  }
  const revocations = open(30)
  const followed = new Map<number | undefined, Revocations>()
  const learn: RevocationList['learn'] = async (records, nowMs) => {
    for (const record of records) {
      const revocation = asRevocation(record, issuer)
      for (const known of [revocations, ...followed.values()]) known.revoke(revocation, nowMs)
    }
    // One that was under way may have begun before the write.
    await reading?.catch(() => undefined)
    // It is written: if it cannot be read right now, the next reading will bring it.
    await read(nowMs).catch(() => undefined)
  }

  return {
    revocations,
    followedFor(staleAfterSeconds) {
      const known = followed.get(staleAfterSeconds)
      if (known !== undefined) return known
      const opened = open(staleAfterSeconds)
      followed.set(staleAfterSeconds, opened)
      return opened
    },
    get known() {
      return snapshot
    },
    async current() {
      await revocations.load(clock())
      return snapshot
    },
    async add(record, bounds, audit) {
      if (!(await store.writeRevocation(record, bounds, audit))) return false
      await learn([record], bounds.nowMs)
      return true
    },
    learn,
  }
}

export type RevocationListOptions = {
  /** The `iss` claim. */
  readonly issuer: string
  readonly store: Pick<Store, 'readRevocations' | 'writeRevocation'>
  readonly clock: Clock
  readonly log: Log
}

/** What a record says, in the words of a verifier. */
export function asRevocation(record: RevocationRecord, issuer: string): Revocation {
  const { kind, id, issuedBeforeSeconds = 0 } = record
  const common = { issuer, untilSeconds: Math.ceil(record.expiresAtMs / 1000) }
  switch (kind) {
    case 'token':
      return { ...common, tokenId: id }
    case 'key':
      return { ...common, keyId: id }
    case 'subject':
      return { ...common, subject: id, issuedBeforeSeconds }
    case 'client':
      return { ...common, clientId: id, issuedBeforeSeconds }
  }
}
