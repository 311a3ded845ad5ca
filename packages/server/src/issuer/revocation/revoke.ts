import { Problem } from '@countersign/sdk/core'
import type { Log } from '../../log.ts'
import type { AuditEntry, RevocationBounds, RevocationRecord } from '../../store/store.ts'
import type { AuditActor } from '../audit.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { RevocationList } from './revocation-list.ts'

/** What is to be revoked: one token with all that descend from it, or all that a subject, a client or a key has had so far. */
export type Revocable =
  /** `expiresAtSeconds`: its `exp`; unless given it is taken for the longest there may be. */
  | { readonly tokenId: string; readonly expiresAtSeconds?: number }
  | { readonly subject: string }
  | { readonly clientId: string }
  /** The key is also taken out of the ring, so that it neither signs nor is published any more. */
  | { readonly keyId: string }

export type RevokeOptions = {
  readonly nowMs: number
  /** The client that asks; undefined: an operator, for whom a part of the list is kept free. */
  readonly by?: string
  /** Which operator, for the audit log. */
  readonly operator?: AuditActor
  /** Written with the revocation, or not at all. */
  readonly audit?: readonly AuditEntry[]
}

/**
 * Revokes. When it resolves the revocation is on disk; this process refuses what it means from then on, other replicas
 * within a second or two, and whoever follows the feed with the next look at it.
 *
 * @throws Problem `revocations-full`, `store-unavailable`, `ring-key-unknown`, `option-invalid`
 */
export type Revoke = (what: Revocable, options: RevokeOptions) => Promise<void>

/**
 * @example
 * const revoke = createRevoke({ list, keyRing, log })
 * await revoke({ subject: 'alice' }, { nowMs: Date.now() })
 */
export function createRevoke({ list, keyRing, log }: RevokeParts): Revoke {
  return async (what, { nowMs, by, operator = 'operator', audit = [] }) => {
    const [record, ...more] = recordsOf(what, nowMs, by)
    if (record.kind === 'key' && !keyRing.describe(nowMs).some(({ keyId }) => keyId === record.id)) {
      throw new Problem('ring-key-unknown', `the key ring holds no key ${record.id}`, {
        next: 'list them: countersign keys',
      })
    }
    const bounds = { nowMs, ...(by === undefined ? operatorBounds : clientBounds) }
    for (const one of [record, ...more]) {
      if (!(await list.add(one, bounds, one === record ? audit : []))) throw revocationsFull(bounds)
    }
    // After the list, by which everybody hears of it first: the key set may be cached for minutes.
    if (record.kind === 'key') await keyRing.remove(record.id, by === undefined ? operator : `client ${by}`)
    log.info('revoked', {
      client: by,
      ...(record.kind === 'token' ? { tokenId: record.id } : {}),
      ...(record.kind === 'subject' ? { subject: record.id } : {}),
      ...(record.kind === 'client' ? { clientId: record.id } : {}),
      ...(record.kind === 'key' ? { keyId: record.id } : {}),
    })
  }
}

export type RevokeParts = {
  readonly list: Pick<RevocationList, 'add'>
  readonly keyRing: Pick<KeyRing, 'describe' | 'remove'>
  readonly log: Log
}

/** The feed is bounded by these: its longest list is some hundred kilobytes. */
export const mostRevocations = 10_000
export const operatorBounds = { most: mostRevocations, mostOfOne: mostRevocations }
// No client can fill the list for the others, and all of them together not for the operator.
const clientBounds = { most: mostRevocations - 1_000, mostOfOne: 1_000 }

/** How far a verifier's clock may be behind, and how long it may at most go on with a token that has expired. */
export const toleranceSeconds = 300
/** The trust file lets no token live longer. */
const longestOfAll = 86_400
/** In UTF-8. */
const longestIdBytes = 256

function recordsOf(
  what: Revocable,
  nowMs: number,
  by: string | undefined,
): readonly [RevocationRecord, ...RevocationRecord[]] {
  const longest = nowMs + (longestOfAll + toleranceSeconds) * 1000
  const common = { revokedAtMs: nowMs, by, issuedBeforeSeconds: undefined, expiresAtMs: longest }
  if ('tokenId' in what) {
    const { expiresAtSeconds } = what
    const expiresAtMs =
      expiresAtSeconds === undefined ? longest : Math.ceil((expiresAtSeconds + toleranceSeconds) * 1000)
    return [{ ...common, kind: 'token', id: readId(what.tokenId), expiresAtMs }]
  }
  if ('keyId' in what) return [{ ...common, kind: 'key', id: readId(what.keyId) }]
  // The next whole second: a token of this one may have been issued before.
  const dated = { ...common, issuedBeforeSeconds: Math.floor(nowMs / 1000) + 1 }
  if ('subject' in what) return [{ ...dated, kind: 'subject', id: readId(what.subject) }]
  return bothOf(readId(what.clientId), dated)
}

/**
 * What ends everything that a client was given: its tokens, and those that were exchanged for them.
 *
 * @param when.issuedBeforeSeconds the tokens meant; those of later are good.
 * @param when.longestTokenSeconds how long a token may live at most.
 */
export function revocationsOfClient(
  clientId: string,
  when: {
    readonly nowMs: number
    readonly issuedBeforeSeconds: number
    readonly longestTokenSeconds: number
  },
): readonly RevocationRecord[] {
  const { nowMs, issuedBeforeSeconds, longestTokenSeconds } = when
  const expiresAtMs = (issuedBeforeSeconds + longestTokenSeconds + toleranceSeconds) * 1000
  return bothOf(clientId, { revokedAtMs: nowMs, by: undefined, issuedBeforeSeconds, expiresAtMs })
}

/** As a subject too: what others got in exchange for its own tokens names it there. */
function bothOf(
  id: string,
  dated: Omit<RevocationRecord, 'kind' | 'id'>,
): readonly [RevocationRecord, RevocationRecord] {
  return [
    { ...dated, kind: 'client', id },
    { ...dated, kind: 'subject', id },
  ]
}

/** @returns the Problem `revocations-full` */
export function revocationsFull({ most, mostOfOne }: RevocationBounds): Problem {
  return new Problem('revocations-full', `${most} revocations, or ${mostOfOne} of one client, are in force`, {
    next: 'revoke the client or its subject instead of single tokens',
    retryAfterSeconds: 60,
  })
}

function readId(id: unknown): string {
  if (typeof id === 'string' && id !== '' && Buffer.byteLength(id) <= longestIdBytes && !/\p{C}/u.test(id))
    return id
  throw new Problem(
    'option-invalid',
    `what is revoked must be named by 1 to ${longestIdBytes} bytes of visible text`,
  )
}
