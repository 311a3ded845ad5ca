/**
 * What Countersign keeps: the key ring's records, the managed clients, the audit log, and the marks that stop a one-time
 * value from being used twice.
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
   * @param audit what the audit log says about it: both are written, or neither.
   * @returns false when somebody else was first; then nothing is changed: read again and decide anew.
   */
  replaceRing(
    expectedVersion: number,
    keys: readonly KeyRecord[],
    audit?: readonly AuditEntry[],
  ): Promise<boolean>

  /**
   * Every managed client that changed after `afterVersion`, in the order of the changes, removed ones included. Who asks
   * again with the last one's version until none is left knows all there is, and then only what changed since.
   */
  readClientChanges(afterVersion: number, limit: number): Promise<readonly ClientRecord[]>

  /** Managed clients that are not removed, by id, from the first one after `afterId` on. */
  listClients(afterId: string, limit: number): Promise<readonly ClientRecord[]>

  /** One managed client, by its id or by the request that made it; removed ones as well. */
  findClient(by: { readonly id: string } | { readonly request: string }): Promise<ClientRecord | undefined>

  /**
   * Writes one managed client, together with what the audit log says about it, or nothing at all.
   *
   * @param expectedRevision of the client as it was read; 0: it must be new, and so must its `request`.
   * @returns the record as it is kept; undefined when somebody else was first, or the client is removed.
   */
  writeClient(
    client: ClientDraft,
    expectedRevision: number,
    audit: readonly AuditEntry[],
  ): Promise<ClientRecord | undefined>

  /**
   * The same, and revokes what the client was given: client, revocations and audit log together, or nothing.
   *
   * @returns as `writeClient`, or 'full' when the list of revocations has no room.
   */
  writeClientAndRevoke(
    client: ClientDraft,
    expectedRevision: number,
    revocations: readonly RevocationRecord[],
    bounds: RevocationBounds,
    audit: readonly AuditEntry[],
  ): Promise<ClientRecord | 'full' | undefined>

  /** Adds to the audit log; of several replicas' entries each gets its own place in one chain. */
  appendAudit(entries: readonly AuditEntry[]): Promise<readonly AuditRecord[]>

  /** The audit log in order, from the first record after `afterSequence` on. */
  readAudit(afterSequence: number, limit: number): Promise<readonly AuditRecord[]>

  /** Where the audit log's chain ends; sequence 0 and an empty hash before the first record. */
  readAuditHead(): Promise<AuditHead>

  /**
   * Marks `id` as used. One atomic step, also among replicas: of any number of simultaneous callers exactly one
   * gets true.
   *
   * @param scope whose ids these are, such as a client's assertions; equal ids in two scopes do not meet.
   * @param expiresAtMs until when (inclusive) the mark counts, milliseconds since the epoch.
   * @returns true for the first use, false for a repeated one.
   */
  putOnce(scope: string, id: string, expiresAtMs: number, nowMs: number): Promise<boolean>

  /**
   * Everything that is revoked at `nowMs`, by kind and id.
   *
   * @param knownVersion the version the caller already has.
   * @returns undefined when that is still the version: nothing was written since.
   */
  readRevocations(nowMs: number, knownVersion?: number): Promise<RevocationSnapshot | undefined>

  /**
   * Writes one revocation and gives the list a greater version, one writer after the other. One of the same kind and id
   * is only ever extended. Versions are never below `nowMs`, so that a list that begins anew goes on above the one before.
   *
   * @param audit what the audit log says about it: both are written, or neither.
   * @returns false when the list is full, or what this one may put into it; then nothing is changed.
   */
  writeRevocation(
    revocation: RevocationRecord,
    bounds: RevocationBounds,
    audit?: readonly AuditEntry[],
  ): Promise<boolean>

  /** Drops what counts no longer; a bounded number at a time, so that it never holds up a request. */
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

/** One key of the ring as it is kept. What state it is in follows from these times and the clock (issuer/keys/rotate.ts). */
export type KeyRecord = {
  readonly keyId: string
  readonly algorithm: string
  /** The private key as issuer/keys/key-seal.ts sealed it; undefined once retired, when nothing may be left to steal. */
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

/** What of a key tells whether it opens. */
export type SealedKey = Pick<KeyRecord, 'keyId' | 'algorithm' | 'sealedKey'>

/** Called with the keys of a store of an earlier schema, before anything in it is changed; what it throws ends the opening. */
export type BeforeMigration = (keys: readonly SealedKey[]) => void

export type KeyRetirement = {
  readonly atMs: number
  /** In the course of rotation, or taken out by a person before its time. */
  readonly because: 'rotated' | 'removed'
}

/** A managed client as it is to be kept. */
export type ClientDraft = {
  readonly id: string
  /** What made it, so that the same request sent again makes no second one. */
  readonly request: string | undefined
  /** A removed client stays as an empty mark: other replicas learn of it, and its id is never given again. */
  readonly removed: boolean
  /** Everything else about it as JSON (issuer/clients/managed-client.ts); the store does not look into it. */
  readonly settings: string
}

export type ClientRecord = ClientDraft & {
  /** How often it was written. */
  readonly revision: number
  /** When it was last written, counted over all clients. */
  readonly version: number
}

/** What happened, for the audit log. Never holds a secret. */
export type AuditEntry = {
  /** Milliseconds since the epoch. */
  readonly atMs: number
  /** Who did it: `client ID`, or `issuer` for what happens by itself. */
  readonly actor: string
  /** What was done, such as `client.created`. */
  readonly action: string
  /** To whom or what: an id. */
  readonly subject: string
  readonly outcome: 'done' | 'refused'
  /** What else there is to say, as the text of a JSON object. */
  readonly detail: string
}

/** An entry in its place. `hash` covers the entry and the hash before it (store/audit-chain.ts). */
export type AuditRecord = AuditEntry & AuditHead

export type AuditHead = {
  /** From 1, without a gap. */
  readonly sequence: number
  readonly hash: string
}

/** One thing that is no longer trusted, as it is kept. */
export type RevocationRecord = {
  readonly kind: 'token' | 'subject' | 'client' | 'key'
  /** The `jti`, `sub`, `client_id` or `kid`. */
  readonly id: string
  /** For subjects and clients: the tokens issued before this, seconds since the epoch. */
  readonly issuedBeforeSeconds: number | undefined
  readonly revokedAtMs: number
  /** Until when (inclusive) it counts, milliseconds since the epoch: when the last token it means has expired. */
  readonly expiresAtMs: number
  /** The client that asked for it; undefined: an operator. */
  readonly by: string | undefined
}

export type RevocationBounds = {
  readonly nowMs: number
  /** How many revocations may count at once. */
  readonly most: number
  /** How many of them may be of the same `by`. */
  readonly mostOfOne: number
}

export type RevocationSnapshot = {
  readonly version: number
  readonly revocations: readonly RevocationRecord[]
}
