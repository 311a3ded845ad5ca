/**
 * What Countersign keeps: the key ring's records and the marks that stop a one-time value from being used twice.
 *
 * Everything outside `store/` sees this type only, never a driver. A promise that resolves says the change is on
 * disk: it survives the death of the process and of the machine. Every failure is a Problem `store-unavailable`, so
 * that "cannot decide" is never mistaken for "refused".
 */
export type Store = {
  readonly kind: 'memory' | 'sqlite' | 'postgres'

  /** The key ring's records, oldest first, and their version (0: nothing was ever written). */
  readRing(): Promise<RingSnapshot>

  /**
   * Replaces all records at once, but only if nobody did so since `expectedVersion` was read; that is what lets
   * several replicas share one ring and rotate it once.
   *
   * @returns false when somebody else was first; then nothing is changed: read again and decide anew.
   */
  replaceRing(expectedVersion: number, keys: readonly KeyRecord[]): Promise<boolean>

  /**
   * Marks `id` as used. One atomic step, also among replicas: of any number of simultaneous callers exactly one
   * gets true.
   *
   * @param scope whose ids these are, such as a client's assertions; equal ids in two scopes do not meet.
   * @param expiresAtMs until when (inclusive) the mark counts, milliseconds since the epoch.
   * @returns true for the first use, false for a repeated one.
   */
  putOnce(scope: string, id: string, expiresAtMs: number, nowMs: number): Promise<boolean>

  /** Drops marks that count no longer; a bounded number at a time, so that it never holds up a request. */
  sweep(nowMs: number): Promise<{ readonly dropped: number }>

  /** Resolves when the store answers. @throws Problem `store-unavailable` */
  ping(): Promise<void>

  /** Lets go of everything; safe to call twice. */
  close(): Promise<void>
}

export type RingSnapshot = {
  readonly version: number
  readonly keys: readonly KeyRecord[]
}

/** One key of the ring as it is kept. What state it is in follows from these times and the clock (issuer/rotate.ts). */
export type KeyRecord = {
  readonly keyId: string
  readonly algorithm: string
  /** The private key as issuer/key-seal.ts sealed it; undefined once retired, when nothing may be left to steal. */
  readonly sealedKey: string | undefined
  /** When it was first published in the key set, milliseconds since the epoch. */
  readonly announcedAtMs: number
  /** When it starts to sign, milliseconds since the epoch. */
  readonly activeFromMs: number
  /** The longest life of any token it may have signed, in seconds: how long it must stay published afterwards. */
  readonly longestTokenSeconds: number
  /** The longest cache life any key set was served with while it was in there, in seconds. */
  readonly longestCacheSeconds: number
  readonly retired: KeyRetirement | undefined
}

export type KeyRetirement = {
  readonly atMs: number
  /** In the course of rotation, or taken out by a person before its time. */
  readonly because: 'rotated' | 'removed'
}
