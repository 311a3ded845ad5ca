import { isProblem, Problem } from '@countersign/sdk/core'
import type { Clock } from '@countersign/sdk/core'
import type { Algorithm, SigningKey } from '@countersign/sdk/jwt'
import type { Log } from '../../log.ts'
import type { AuditEntry, KeyRecord, Store } from '../../store/store.ts'
import { auditEntry } from '../audit.ts'
import type { AuditActor } from '../audit.ts'
import type { ExternalKeys } from './external-keys.ts'
import type { OpenKeys } from './open-keys.ts'
import { applyPlan, isHeirless, isSteady, planRing, removeKey, viewRing } from './rotate.ts'
import type { Announcement, FreshKey } from './rotate.ts'
import type { RotationTiming } from './rotation-timing.ts'

/** What changing a ring takes. */
export type RingParts = {
  readonly store: Store
  readonly timing: RotationTiming
  readonly algorithm: Algorithm
  readonly clock: Clock
  readonly log: Log
  /** Keys that others hold. */
  readonly external?:
    | {
        readonly keys: ExternalKeys
        /** New keys are made here again; those that are elsewhere sign until the next one may. */
        readonly leave: boolean
      }
    | undefined
}

export type KnownRing = {
  readonly records: readonly KeyRecord[]
  /** When the reading began, milliseconds since the epoch: what was written later may be missing. */
  readonly readAtMs: number
}

/** Reads, plans, writes; and begins anew when another replica wrote in between. */
export async function turnRing(
  options: RingParts,
  keys: OpenKeys,
  wish: { readonly asked: boolean; readonly by?: AuditActor | undefined },
): Promise<KnownRing> {
  const { timing, algorithm, log } = options
  return writeRing(options, keys, async (records, nowMs) => {
    const { signing } = viewRing(records, nowMs, timing)
    const misplaced =
      signing !== undefined && keys.isExternal(signing) !== (newKeysFrom(options) !== undefined)
    const due = planRing(records, { nowMs, timing, algorithm, asked: wish.asked, misplaced })
    if (due === undefined) return undefined
    const fresh =
      due.announce === undefined ? undefined : await freshKey(options, keys, records, due.announce)
    const plan = fresh === undefined ? { ...due, announce: undefined } : due
    if (isSteady(plan)) return undefined
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

export async function importIntoRing(
  options: RingParts,
  keys: OpenKeys,
  key: SigningKey,
  by: AuditActor | undefined,
): Promise<KnownRing> {
  const { timing, algorithm, log } = options
  const { keyId } = key
  if (newKeysFrom(options) !== undefined) {
    throw new Problem('ring-key-refused', 'the ring’s keys are those of the external signer', {
      next: 'make the key there, and announce it: countersign keys rotate',
    })
  }
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

/** Who makes new keys, when that is not this process. */
function newKeysFrom({ external }: RingParts): ExternalKeys | undefined {
  return external?.leave === true ? undefined : external?.keys
}

/**
 * The key to announce. The external signer may have none on offer that the ring has not had, or may be away: then the old
 * one goes on signing, the ring goes on turning, and whoever looks at the log or the overdue rotation learns of it.
 *
 * @throws Problem `signer-exhausted` or the signer's own, where somebody waits for a key.
 */
async function freshKey(
  options: RingParts,
  keys: OpenKeys,
  records: readonly KeyRecord[],
  { because }: Announcement,
): Promise<FreshKey | undefined> {
  const { algorithm, log } = options
  const external = newKeysFrom(options)
  if (external === undefined) return keys.fresh(algorithm)
  try {
    const key = await external.offer(algorithm, new Set(records.map(({ keyId }) => keyId)))
    if (key !== undefined) return keys.sealExternal(key)
    throw new Problem(
      'signer-exhausted',
      `the external signer offers no ${algorithm} key that the ring has not had`,
      {
        next: 'make another key there; it is announced by itself when it is due',
      },
    )
  } catch (error) {
    if (because === 'first' || because === 'asked' || !isProblem(error)) throw error
    log.warn('keys.none-offered', { code: error.code, message: error.message, because })
    return undefined
  }
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

export async function removeFromRing(
  options: RingParts,
  keys: OpenKeys,
  keyId: string,
  by: AuditActor | undefined,
): Promise<KnownRing> {
  const { timing, log } = options
  return writeRing(options, keys, async (records, nowMs) => {
    const record = records.find((candidate) => candidate.keyId === keyId)
    if (record === undefined) {
      throw new Problem('ring-key-unknown', `the key ring holds no key ${keyId}`, {
        next: 'list them: countersign keys',
      })
    }
    if (record.retired !== undefined) return undefined
    // Asked for only where nobody else could take over: the external signer may have none, and the key must go all the same.
    const fresh = isHeirless(records, keyId, nowMs, timing)
      ? await freshKey(options, keys, records, { activeFromMs: nowMs, because: 'asked' })
      : undefined
    return {
      next: removeKey(records, keyId, { nowMs, timing, fresh }),
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
  { store, clock }: RingParts,
  keys: OpenKeys,
  change: (
    records: readonly KeyRecord[],
    nowMs: number,
  ) => RingChange | undefined | Promise<RingChange | undefined>,
): Promise<KnownRing> {
  for (let attempt = 1; attempt <= 20; attempt++) {
    const readAtMs = clock()
    const { version, keys: records } = await store.readRing()
    keys.open(records)
    const changed = await change(records, clock())
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
