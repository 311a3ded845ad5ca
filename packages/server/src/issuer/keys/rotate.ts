import { Problem } from '@countersign/sdk/core'
import type { KeyRecord } from '../../store/store.ts'
import { overlapSeconds } from './rotation-timing.ts'
import type { RotationTiming } from './rotation-timing.ts'

/**
 * The life of a key: published, signing, published until its last token is dead, gone. Which of these it is in
 * follows from the records and the clock alone, so replicas that share the records agree without talking.
 */
export type KeyState = 'announced' | 'active' | 'retiring' | 'retired'

/** What a ring looks like at one moment, and until when that stays so. */
export type RingView = {
  /** Every key with its state, oldest first. */
  readonly keys: readonly KeyView[]
  /** The key that signs; undefined only while there is no key at all. */
  readonly signing: KeyRecord | undefined
  /** The keys of the published set, the signing one first: some verifiers look no further. */
  readonly published: readonly KeyRecord[]
  /** From this moment on, milliseconds since the epoch, the view is another one. */
  readonly changesAtMs: number
}

export type KeyView = {
  readonly record: KeyRecord
  readonly state: KeyState
  /** When the state ends, milliseconds since the epoch; for a signing key without a successor, when it is due. */
  readonly untilMs: number | undefined
}

/** Pure: the same records and moment give the same view in every replica. */
export function viewRing(records: readonly KeyRecord[], nowMs: number, timing: RotationTiming): RingView {
  const line = succession(records)
  // With clocks apart, a replica may read of a first key before that key's time has come here: it is all there is.
  const signingIndex = Math.max(
    0,
    line.findLastIndex((key) => key.activeFromMs <= nowMs),
  )
  const signing = line[signingIndex]
  const views = new Map(
    line.map((record, index) => [
      record,
      viewKey(record, { nowMs, timing, place: index - signingIndex, heir: line[index + 1] }),
    ]),
  )
  const stateOf = (record: KeyRecord): KeyState => views.get(record)?.state ?? 'retired'
  // Without a successor the signing key goes on, overdue or not.
  const ends = [...views.values()]
    .filter(({ record }) => record !== signing)
    .map(({ untilMs }) => untilMs ?? Infinity)
  return {
    keys: records.map((record) => views.get(record) ?? { record, state: 'retired', untilMs: undefined }),
    signing,
    published: [
      ...(signing === undefined ? [] : [signing]),
      ...line.filter((key) => key !== signing && stateOf(key) !== 'retired'),
    ],
    changesAtMs: Math.min(Infinity, ...ends),
  }
}

/** What has to be written now so that the ring goes on turning; `undefined` when nothing has. */
export type RingPlan = {
  readonly announce: Announcement | undefined
  /** Ids of keys that have left the published set: their private halves are to be destroyed. */
  readonly retire: readonly string[]
  /** Ids of keys that were retired so long ago that nobody will ask about them. */
  readonly forget: readonly string[]
  /** A key is about to sign longer-lived tokens, or be served for longer, than its record says. */
  readonly promise: boolean
}

export type Announcement = {
  readonly activeFromMs: number
  readonly because: 'first' | 'age' | 'algorithm' | 'signer' | 'asked'
}

/**
 * What to do at this moment. Pure; doing it is `applyPlan` and a compare-and-set, so that of several replicas with
 * the same plan one carries it out.
 *
 * @param asked a person wants a new key announced before its time.
 * @param misplaced the signing key is here and new ones are made elsewhere, or the other way round.
 */
export function planRing(
  records: readonly KeyRecord[],
  { nowMs, timing, algorithm, asked = false, misplaced = false }: PlanContext,
): RingPlan | undefined {
  const view = viewRing(records, nowMs, timing)
  const live = view.keys.filter(({ record }) => record.retired === undefined)
  const plan: RingPlan = {
    announce: planAnnouncement(view, { nowMs, timing, algorithm, asked, misplaced }),
    retire: live.filter(({ state }) => state === 'retired').map(({ record }) => record.keyId),
    forget: records
      .filter(({ retired }) => retired !== undefined && retired.atMs + forgetAfterMs < nowMs)
      .map(({ keyId }) => keyId),
    promise: live.some(
      ({ record }) =>
        record.longestTokenSeconds < timing.tokenLifetimeSeconds ||
        record.longestCacheSeconds < timing.cacheSeconds,
    ),
  }
  return isSteady(plan) ? undefined : plan
}

/** Whether there is nothing to do. */
export function isSteady({ announce, retire, forget, promise }: RingPlan): boolean {
  return announce === undefined && retire.length === 0 && forget.length === 0 && !promise
}

export type PlanContext = {
  readonly nowMs: number
  readonly timing: RotationTiming
  readonly algorithm: string
  readonly asked?: boolean
  readonly misplaced?: boolean
}

/** The records after a plan was carried out. `fresh` is the key the plan's announcement is about. */
export function applyPlan(
  records: readonly KeyRecord[],
  plan: RingPlan,
  {
    nowMs,
    timing,
    fresh,
  }: { readonly nowMs: number; readonly timing: RotationTiming; readonly fresh?: FreshKey },
): readonly KeyRecord[] {
  const kept = records
    .filter(({ keyId }) => !plan.forget.includes(keyId))
    .map((record) => (plan.retire.includes(record.keyId) ? retire(record, nowMs, 'rotated') : record))
    .map((record) => (plan.promise && record.retired === undefined ? promise(record, timing) : record))
  if (plan.announce === undefined || fresh === undefined) return kept
  return [...kept, announced(fresh, { nowMs, activeFromMs: plan.announce.activeFromMs, timing })]
}

export type FreshKey = { readonly keyId: string; readonly algorithm: string; readonly sealedKey: string }

/**
 * The records after a key was taken out at once, because it may be in wrong hands. When it was the signing one, the
 * next announced key takes over now; without one, `fresh` does, before every verifier can know it: that costs some
 * verifiers one more fetch, which is better than one more forged token.
 */
export function removeKey(
  records: readonly KeyRecord[],
  keyId: string,
  {
    nowMs,
    timing,
    fresh,
  }: { readonly nowMs: number; readonly timing: RotationTiming; readonly fresh: FreshKey | undefined },
): readonly KeyRecord[] {
  const { signing, keys } = viewRing(records, nowMs, timing)
  const without = records.map((record) =>
    record.keyId === keyId ? retire(record, nowMs, 'removed') : record,
  )
  if (signing?.keyId !== keyId) return without
  const heir = keys.find(({ state }) => state === 'announced')?.record
  if (heir === undefined) {
    if (fresh === undefined) throw new Problem('ring-empty', `without ${keyId} there is no key to sign with`)
    return [...without, announced(fresh, { nowMs, activeFromMs: nowMs, timing })]
  }
  return without.map((record) => (record === heir ? { ...record, activeFromMs: nowMs } : record))
}

/** Whether a key signs and has no successor, so that taking it out needs another one at once. */
export function isHeirless(
  records: readonly KeyRecord[],
  keyId: string,
  nowMs: number,
  timing: RotationTiming,
): boolean {
  const { signing, keys } = viewRing(records, nowMs, timing)
  return signing?.keyId === keyId && !keys.some(({ state }) => state === 'announced')
}

/** Keys that are not retired, in the order in which they sign; of two with the same moment the later record. */
function succession(records: readonly KeyRecord[]): KeyRecord[] {
  return records.filter((key) => key.retired === undefined).sort((a, b) => a.activeFromMs - b.activeFromMs)
}

/** @param place how many keys behind the signing one in the line; below 0: before it. */
function viewKey(
  record: KeyRecord,
  {
    nowMs,
    timing,
    place,
    heir,
  }: { nowMs: number; timing: RotationTiming; place: number; heir: KeyRecord | undefined },
): KeyView {
  if (place > 0) return { record, state: 'announced', untilMs: record.activeFromMs }
  if (place === 0 || heir === undefined) {
    const untilMs = heir?.activeFromMs ?? record.activeFromMs + 1000 * timing.rotateEverySeconds
    return { record, state: 'active', untilMs }
  }
  const untilMs = heir.activeFromMs + 1000 * overlapSeconds(record.longestTokenSeconds, timing)
  return nowMs < untilMs
    ? { record, state: 'retiring', untilMs }
    : { record, state: 'retired', untilMs: undefined }
}

function planAnnouncement(
  view: RingView,
  { nowMs, timing, algorithm, asked, misplaced }: Required<PlanContext>,
): Announcement | undefined {
  const { signing } = view
  if (signing === undefined) return { activeFromMs: nowMs, because: 'first' }
  // One at a time, so that at most three keys are ever published.
  if (view.keys.some(({ state }) => state === 'announced')) return undefined

  // Copies of the key set may have been handed out under a longer cache life than today's.
  const longestCacheSeconds = Math.max(
    timing.cacheSeconds,
    ...view.published.map((key) => key.longestCacheSeconds),
  )
  const leadMs = 1000 * (timing.leadSeconds + longestCacheSeconds - timing.cacheSeconds)
  const takeoverMs = signing.activeFromMs + 1000 * timing.rotateEverySeconds
  if (signing.algorithm !== algorithm) return { activeFromMs: nowMs + leadMs, because: 'algorithm' }
  if (misplaced) return { activeFromMs: nowMs + leadMs, because: 'signer' }
  if (asked) return { activeFromMs: nowMs + leadMs, because: 'asked' }
  if (nowMs < takeoverMs - leadMs) return undefined
  return { activeFromMs: Math.max(takeoverMs, nowMs + leadMs), because: 'age' }
}

function announced(
  { keyId, algorithm, sealedKey }: FreshKey,
  { nowMs, activeFromMs, timing }: { nowMs: number; activeFromMs: number; timing: RotationTiming },
): KeyRecord {
  return {
    keyId,
    algorithm,
    sealedKey,
    announcedAtMs: nowMs,
    activeFromMs,
    longestTokenSeconds: timing.tokenLifetimeSeconds,
    longestCacheSeconds: timing.cacheSeconds,
    retired: undefined,
  }
}

function retire(record: KeyRecord, atMs: number, because: 'rotated' | 'removed'): KeyRecord {
  return { ...record, sealedKey: undefined, retired: { atMs, because } }
}

function promise(record: KeyRecord, timing: RotationTiming): KeyRecord {
  return {
    ...record,
    longestTokenSeconds: Math.max(record.longestTokenSeconds, timing.tokenLifetimeSeconds),
    longestCacheSeconds: Math.max(record.longestCacheSeconds, timing.cacheSeconds),
  }
}

/** How long the times of a retired key stay on record, for whoever looks into an old token. */
const forgetAfterMs = 90 * 86_400_000
