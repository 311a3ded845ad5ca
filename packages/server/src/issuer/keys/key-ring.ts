import { isProblem, Problem } from '@countersign/sdk/core'
import type { Clock } from '@countersign/sdk/core'
import { createKeySet, supportedAlgorithms } from '@countersign/sdk/jwt'
import type { Algorithm, Jwk, KeySet, Signer, SigningKey } from '@countersign/sdk/jwt'
import type { Log } from '../../log.ts'
import type { AuditEntry, KeyRecord, Store } from '../../store/store.ts'
import { auditEntry } from '../audit.ts'
import type { AuditActor } from '../audit.ts'
import type { KeySeal } from './key-seal.ts'
import { OpenKeys } from './open-keys.ts'
import { applyPlan, planRing, removeKey, viewRing } from './rotate.ts'
import type { Announcement, FreshKey, KeyState, RingView } from './rotate.ts'
import type { RotationTiming } from './rotation-timing.ts'

/** The issuer's own keys, turning by themselves. Nothing on the token path waits for the store. */
export type KeyRing = {
  /** What signs at this moment. @throws Problem `ring-stale` */
  signerAt(nowMs: number): Signer
  /** The same key, for what is no access token. @throws Problem `ring-stale` */
  signingKeyAt(nowMs: number): SigningKey
  /** The public keys at this moment, the signing one first. @throws Problem `ring-stale` */
  publishedAt(nowMs: number): readonly Jwk[]
  /** The same keys for verifying in this process. */
  readonly keySet: KeySet
  /** Every key on record with its state and times, oldest first. */
  describe(nowMs: number): readonly KeyDescription[]
  /** Reads the ring from the store and does what is due. Called by itself every `refreshSeconds`. */
  refresh(): Promise<void>
  /**
   * Announces a new key now instead of when it is due; it signs after the usual lead.
   *
   * @param by who wants it, for the audit log.
   */
  rotate(by?: AuditActor): Promise<void>
  /**
   * Announces a key that was made elsewhere; like every key it signs after the usual lead.
   *
   * @throws Problem `ring-key-refused` for one that is in the ring already or has another algorithm, and while another one
   * is announced.
   */
  import(key: SigningKey, by?: AuditActor): Promise<void>
  /**
   * Takes a key out at once, because it may be in wrong hands: its tokens are refused by whoever has fetched the
   * key set since. @throws Problem `ring-key-unknown`
   */
  remove(keyId: string, by?: AuditActor): Promise<void>
  /** Stops turning; resolves when no use of the store is under way any more. */
  close(): Promise<void>
}

export type KeyDescription = {
  readonly keyId: string
  readonly algorithm: string
  readonly state: KeyState
  readonly announcedAtMs: number
  readonly activeFromMs: number
  /** When the state ends, milliseconds since the epoch; for a signing key without a successor, when it is due. */
  readonly untilMs: number | undefined
  readonly retired: KeyRecord['retired']
}

export type KeyRingOptions = {
  readonly store: Store
  readonly seal: KeySeal
  readonly timing: RotationTiming
  readonly algorithm: Algorithm
  readonly clock: Clock
  readonly log: Log
}

/**
 * Opens the ring that is in the store, or makes its first key.
 *
 * Every key is opened before the first write, so that with a wrong seal secret nothing is changed.
 *
 * @throws Problem `seal-broken`, `seal-missing`, `algorithm-unpublishable`, `store-unavailable`
 */
export async function openKeyRing(options: KeyRingOptions): Promise<KeyRing> {
  const { timing, clock, log } = options
  refuseAlgorithm(options.algorithm)
  const keys = new OpenKeys(options.seal)
  let known = await turnRing(options, keys, { asked: false })
  let view = viewRing(known.records, known.readAtMs, timing)
  let viewedAtMs = known.readAtMs
  let published = keys.publish(view)
  const keySet = createKeySet(published.verification)

  const see = (nowMs: number): RingView => {
    const signedBefore = view.signing?.keyId
    view = viewRing(known.records, nowMs, timing)
    viewedAtMs = nowMs
    const before = published
    published = keys.publish(view)
    if (!sameElements(before.verification, published.verification)) keySet.replace(published.verification)
    if (sameElements(before.jwks, published.jwks)) published = before
    if (view.signing?.keyId !== signedBefore) log.info('keys.active', { keyId: view.signing?.keyId })
    return view
  }
  /** A look at the clock is all it takes for a key to come or go. */
  const look = (nowMs: number): RingView =>
    nowMs >= viewedAtMs && nowMs < view.changesAtMs ? view : see(nowMs)

  const adopt = (ring: KnownRing): void => {
    known = ring
    see(clock())
    keys.forgetExcept(ring.records)
  }

  // One at a time: a slow store must not pile up readers, and a later answer must not be undone by an earlier one.
  let queue: Promise<void> = Promise.resolve()
  const inTurn = (work: () => Promise<KnownRing>): Promise<void> => {
    const turn = queue.then(work).then(adopt)
    queue = turn.catch(() => {})
    return turn
  }
  const refresh = (): Promise<void> => inTurn(() => turnRing(options, keys, { asked: false }))

  let closed = false
  let refreshing = false
  const refreshSoon = (): void => {
    if (closed || refreshing) return
    refreshing = true
    refresh()
      .catch((error: unknown) => log.warn('keys.refresh-failed', describeFailure(error)))
      .finally(() => (refreshing = false))
  }
  const timer = setInterval(() => {
    look(clock())
    refreshSoon()
  }, timing.refreshSeconds * 1000)
  timer.unref()

  const refuseStale = (nowMs: number): void => {
    const staleMs = nowMs - known.readAtMs
    if (staleMs <= timing.staleAfterSeconds * 1000) return
    // After a machine has slept the next request may come before the next tick.
    refreshSoon()
    throw new Problem(
      'ring-stale',
      `the key ring was last read ${Math.floor(staleMs / 1000)} s ago; after ${timing.staleAfterSeconds} s another ` +
        'replica may be signing with a key that is not known here',
      // A reading has begun; with the store there it takes milliseconds.
      { next: 'bring the store back', retryAfterSeconds: 5 },
    )
  }

  const signingAt = (nowMs: number): KeyRecord => {
    refuseStale(nowMs)
    const { signing } = look(nowMs)
    if (signing === undefined) throw new Problem('ring-empty', 'the key ring holds no key')
    return signing
  }

  return {
    signerAt: (nowMs) => keys.signer(signingAt(nowMs)),
    signingKeyAt: (nowMs) => keys.signingKey(signingAt(nowMs)),
    publishedAt(nowMs) {
      refuseStale(nowMs)
      look(nowMs)
      return published.jwks
    },
    keySet,
    describe(nowMs) {
      return viewRing(known.records, nowMs, timing).keys.map(({ record, state, untilMs }) => ({
        keyId: record.keyId,
        algorithm: record.algorithm,
        state,
        announcedAtMs: record.announcedAtMs,
        activeFromMs: record.activeFromMs,
        untilMs,
        retired: record.retired,
      }))
    },
    refresh,
    rotate: (by) => inTurn(() => turnRing(options, keys, { asked: true, by })),
    import: (key, by) => inTurn(() => importIntoRing(options, keys, key, by)),
    remove: (keyId, by) => inTurn(() => removeFromRing(options, keys, keyId, by)),
    async close() {
      closed = true
      clearInterval(timer)
      await queue
    },
  }
}

type KnownRing = {
  readonly records: readonly KeyRecord[]
  /** When the reading began, milliseconds since the epoch: what was written later may be missing. */
  readonly readAtMs: number
}

/** Reads, plans, writes; and begins anew when another replica wrote in between. */
async function turnRing(
  options: KeyRingOptions,
  keys: OpenKeys,
  wish: { readonly asked: boolean; readonly by?: AuditActor | undefined },
): Promise<KnownRing> {
  const { timing, algorithm, log } = options
  return writeRing(options, keys, (records, nowMs) => {
    const plan = planRing(records, { nowMs, timing, algorithm, asked: wish.asked })
    if (plan === undefined) return undefined
    const fresh = plan.announce === undefined ? undefined : keys.fresh(algorithm)
    return {
      next: applyPlan(records, plan, { nowMs, timing, ...(fresh === undefined ? {} : { fresh }) }),
      audit: [
        ...plan.retire.map((subject) => auditEntry({ nowMs, action: 'key.retired', subject })),
        ...(plan.announce === undefined || fresh === undefined
          ? []
          : [announcedEntry('key.announced', { nowMs, by: wish.by, fresh, announcement: plan.announce })]),
      ],
      report() {
        for (const keyId of plan.retire) log.info('keys.retired', { keyId })
        if (plan.announce === undefined) return
        const { activeFromMs, because } = plan.announce
        const activeFrom = new Date(activeFromMs).toISOString()
        log.info('keys.announced', { keyId: fresh?.keyId, algorithm, because, activeFrom })
      },
    }
  })
}

async function importIntoRing(
  options: KeyRingOptions,
  keys: OpenKeys,
  key: SigningKey,
  by: AuditActor | undefined,
): Promise<KnownRing> {
  const { timing, algorithm, log } = options
  const { keyId } = key
  if (key.algorithm !== algorithm) {
    throw new Problem(
      'ring-key-refused',
      `the ring signs with ${algorithm}, and this key is for ${key.algorithm}`,
      {
        next: 'set issuer.keys.algorithm first, or bring a key for it',
      },
    )
  }
  return writeRing(options, keys, (records, nowMs) => {
    if (records.some((record) => record.keyId === keyId)) {
      throw new Problem('ring-key-refused', `the ring has or had a key ${keyId}: none comes back`)
    }
    const plan = planRing(records, { nowMs, timing, algorithm, asked: true })
    if (plan?.announce === undefined) {
      throw new Problem('ring-key-refused', 'another key is announced already', {
        next: 'wait until it signs, or remove it: countersign keys',
      })
    }
    const announcement = plan.announce
    const fresh = keys.seal(key)
    return {
      next: applyPlan(records, plan, { nowMs, timing, fresh }),
      audit: [announcedEntry('key.imported', { nowMs, by, fresh, announcement })],
      report() {
        const activeFrom = new Date(announcement.activeFromMs).toISOString()
        log.info('keys.announced', { keyId, algorithm, because: 'imported', activeFrom })
      },
    }
  })
}

function announcedEntry(
  action: 'key.announced' | 'key.imported',
  about: { nowMs: number; by: AuditActor | undefined; fresh: FreshKey; announcement: Announcement },
): AuditEntry {
  const { nowMs, by, fresh, announcement } = about
  const activeFrom = new Date(announcement.activeFromMs).toISOString()
  const detail = { algorithm: fresh.algorithm, because: announcement.because, activeFrom }
  return auditEntry({ nowMs, actor: by, action, subject: fresh.keyId, detail })
}

async function removeFromRing(
  options: KeyRingOptions,
  keys: OpenKeys,
  keyId: string,
  by: AuditActor | undefined,
): Promise<KnownRing> {
  const { timing, algorithm, log } = options
  return writeRing(options, keys, (records, nowMs) => {
    const record = records.find((candidate) => candidate.keyId === keyId)
    if (record === undefined) {
      throw new Problem('ring-key-unknown', `the key ring holds no key ${keyId}`, {
        next: 'list them: countersign keys',
      })
    }
    if (record.retired !== undefined) return undefined
    return {
      next: removeKey(records, keyId, { nowMs, timing, fresh: keys.fresh(algorithm) }),
      audit: [auditEntry({ nowMs, actor: by, action: 'key.removed', subject: keyId })],
      report: () => log.warn('keys.removed', { keyId }),
    }
  })
}

type RingChange = {
  readonly next: readonly KeyRecord[]
  /** Written together with it. */
  readonly audit: readonly AuditEntry[]
  report(): void
}

async function writeRing(
  { store, clock }: KeyRingOptions,
  keys: OpenKeys,
  change: (records: readonly KeyRecord[], nowMs: number) => RingChange | undefined,
): Promise<KnownRing> {
  for (let attempt = 1; attempt <= 20; attempt++) {
    const readAtMs = clock()
    const { version, keys: records } = await store.readRing()
    keys.open(records)
    const changed = change(records, clock())
    if (changed === undefined) return { records, readAtMs }
    if (await store.replaceRing(version, changed.next, changed.audit)) {
      keys.open(changed.next)
      changed.report()
      return { records: changed.next, readAtMs }
    }
  }
  throw new Problem('store-unavailable', 'the key ring is being written by other replicas without a pause', {
    retryAfterSeconds: 1,
  })
}

function refuseAlgorithm(algorithm: Algorithm): void {
  if (algorithm === 'HS256' || algorithm === 'HS384' || algorithm === 'HS512') {
    throw new Problem(
      'algorithm-unpublishable',
      `issuer.keys.algorithm: ${algorithm} has no public key to publish: whoever verifies with it could also sign`,
      { next: 'use ES256, EdDSA, or RS256 for old verifiers' },
    )
  }
  if (supportedAlgorithms().includes(algorithm)) return
  throw new Problem(
    'algorithm-unsupported',
    `issuer.keys.algorithm: this version of Node cannot sign ${algorithm}`,
    {
      next: 'use ES256, or a newer version of Node',
    },
  )
}

function sameElements<T>(left: readonly T[], right: readonly T[]): boolean {
  return left.length === right.length && left.every((element, index) => element === right[index])
}

function describeFailure(error: unknown): { code: string; message: string } {
  if (isProblem(error)) return { code: error.code, message: error.message }
  return { code: 'unexpected', message: error instanceof Error ? error.message : 'unknown failure' }
}
