import { isProblem, Problem } from '@countersign/sdk/core'
import { createKeySet, supportedAlgorithms } from '@countersign/sdk/jwt'
import type { Algorithm, ExternalSigner, Jwk, KeySet, Signer, SigningKey } from '@countersign/sdk/jwt'
import type { KeyRecord } from '../../store/store.ts'
import type { AuditActor } from '../audit.ts'
import { prove } from './external-keys.ts'
import type { ExternalKey, ExternalKeys } from './external-keys.ts'
import type { KeySeal } from './key-seal.ts'
import { OpenKeys } from './open-keys.ts'
import { importIntoRing, removeFromRing, turnRing } from './ring-changes.ts'
import type { KnownRing, RingParts } from './ring-changes.ts'
import { viewRing } from './rotate.ts'
import type { KeyState, RingView } from './rotate.ts'

/** The issuer's own keys, turning by themselves. Nothing on the token path waits for the store. */
export type KeyRing = {
  /**
   * What signs at this moment: at once, or later where the key is elsewhere.
   *
   * @throws Problem `ring-stale`, `signer-missing`, or `signer-unavailable` when it is known that nobody would answer
   */
  signerAt(nowMs: number): Signer | ExternalSigner
  /** The same key, for what is no access token. @throws Problem as `signerAt` */
  signingKeyAt(nowMs: number): SigningKey | ExternalKey
  /** The public keys at this moment, the signing one first. @throws Problem `ring-stale` */
  publishedAt(nowMs: number): readonly Jwk[]
  /** The same keys for verifying in this process. */
  readonly keySet: KeySet
  /** Where keys are that are not here. */
  readonly external: ExternalKeys | undefined
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
  /** The longest life of any token it may have signed. */
  readonly longestTokenSeconds: number
  readonly retired: KeyRecord['retired']
}

export type KeyRingOptions = RingParts & { readonly seal: KeySeal }

/**
 * Opens the ring that is in the store, or makes its first key.
 *
 * Every key is opened before the first write, so that with a wrong seal secret nothing is changed.
 *
 * @throws Problem `seal-broken`, `seal-missing`, `algorithm-unpublishable`, `store-unavailable`, `signer-missing`, and for a first
 * key `signer-exhausted`, `signer-unavailable` or `signer-wrong`
 */
export async function openKeyRing(options: KeyRingOptions): Promise<KeyRing> {
  const { timing, clock, log } = options
  refuseAlgorithm(options.algorithm)
  const external = options.external?.keys
  const keys = new OpenKeys(options.seal, external)
  let known = await turnRing(options, keys, { asked: false })
  let view = viewRing(known.records, known.readAtMs, timing)
  if (external === undefined) refuseWithoutSigner(view, keys)
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

  let closed = false
  const adopt = (ring: KnownRing): void => {
    known = ring
    see(clock())
    keys.forgetExcept(ring.records)
    proveExternal()
  }
  /** Another replica may have announced a key that this one's signer does not have: found out long before it signs. */
  const proveExternal = (): void => {
    for (const { record, state } of view.keys) {
      if (external === undefined || (state !== 'announced' && state !== 'active')) continue
      const key = keys.unproven(record)
      if (key === undefined) continue
      prove(key).then(
        () => keys.proven(record),
        (error: unknown) => {
          if (!closed) log.error('signer.unproven', { keyId: record.keyId, ...describeFailure(error) })
        },
      )
    }
  }

  // One at a time: a slow store must not pile up readers, and a later answer must not be undone by an earlier one.
  let queue: Promise<void> = Promise.resolve()
  const inTurn = (work: () => Promise<KnownRing>): Promise<void> => {
    const turn = queue.then(work).then(adopt)
    queue = turn.catch(() => {})
    return turn
  }
  const refresh = (): Promise<void> => inTurn(() => turnRing(options, keys, { asked: false }))

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
    external,
    describe(nowMs) {
      return viewRing(known.records, nowMs, timing).keys.map(({ record, state, untilMs }) => ({
        keyId: record.keyId,
        algorithm: record.algorithm,
        state,
        announcedAtMs: record.announcedAtMs,
        activeFromMs: record.activeFromMs,
        untilMs,
        longestTokenSeconds: record.longestTokenSeconds,
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
      await external?.close()
      await queue
    },
  }
}

/** Said at the start, and not when the first token is asked for. */
function refuseWithoutSigner({ keys: views }: RingView, keys: OpenKeys): void {
  const lost = views.find(({ record, state }) => {
    return (state === 'active' || state === 'announced') && keys.isExternal(record)
  })
  if (lost !== undefined) keys.signer(lost.record)
}

function refuseAlgorithm(algorithm: Algorithm): void {
  if (algorithm === 'HS256' || algorithm === 'HS384' || algorithm === 'HS512') {
    throw new Problem(
      'algorithm-unpublishable',
      `issuer.keys.algorithm: ${algorithm} has no public key to publish: whoever verifies with it could also sign`,
      { next: 'use ES256, EdDSA, or RS256 for old verifiers' },
    )
  }
  // Of these alone it depends on the runtime, and to find out takes as long as anything else at the start.
  if (!algorithm.startsWith('ML-DSA') || supportedAlgorithms().includes(algorithm)) return
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
